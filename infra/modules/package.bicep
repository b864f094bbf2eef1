metadata description = 'Puts a published package into the function app, for the Deploy to Azure button. azd and Core Tools bring the code themselves.'

@description('Name of the function app.')
param functionAppName string

@description('Public https address of the package (a zip), without a redirect.')
param packageUri string

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionAppName
}

resource code 'Microsoft.Web/sites/extensions@2022-09-01' = {
  parent: app
  name: 'onedeploy'
  // The properties are documented, but not in the published types.
  #disable-next-line BCP187 BCP037
  properties: {
    packageUri: packageUri
    remoteBuild: true
  }
}
