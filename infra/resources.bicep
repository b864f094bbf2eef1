metadata description = 'PocketSOC in one resource group. main.bicep makes the group and calls this; the Deploy to Azure button calls this alone.'

@description('Name of this installation, for example prod. Names of resources are made from it.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Azure region of everything. It must have Flex Consumption.')
param location string = resourceGroup().location

@description('Name of the function app; empty to make one. At most 32 characters.')
@maxLength(32)
param functionAppName string = ''

@description('Name of the storage account; empty to make one.')
@maxLength(24)
param storageAccountName string = ''

@description('Name of the Key Vault; empty to make one.')
@maxLength(24)
param vaultName string = ''

@description('Redundancy of the storage account. Standard_LRS where the region has no zones.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
param storageSku string = 'Standard_ZRS'

@description('Microsoft cloud in which the users of the API sign in.')
@allowed([
  'commercial'
  'gcc'
  'gcc_high'
  'dod'
  'china'
])
param cloud string = 'commercial'

@description('Tenant whose users may call the API; empty for the one of the subscription.')
param apiTenantId string = ''

@description('Client id of the app registration of the API (infra/scripts/register-api.sh). Empty: the API refuses everybody until it is set.')
param apiClientId string = ''

@description('Address under which phones and Logic Apps reach the app, for example https://soc.example.com; empty for the app\'s own.')
param publicUrl string = ''

@description('Most that a push may say.')
@allowed([
  'full'
  'title'
  'none'
])
param pushPrivacy string = 'full'

@description('Who is written to when something is wrong, and whom push services may write to; empty for nobody.')
param alertEmail string = ''

@description('Memory of one instance in MB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('Most instances that run at once.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('HTTP requests that one instance takes at once. Azure\'s own default for Python is one.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 16

@description('Queue messages that one instance fetches at once.')
@minValue(1)
@maxValue(32)
param queueBatchSize int = 8

@description('Number of messages under way below which an instance fetches again.')
@minValue(0)
@maxValue(32)
param queueNewBatchThreshold int = 4

@description('Instances that are always ready for HTTP. 0: the first request after a quiet time waits for a start.')
@minValue(0)
@maxValue(20)
param alwaysReadyHttp int = 0

@description('Instances that are always ready for each of polling, ingesting and notifying.')
@minValue(0)
@maxValue(20)
param alwaysReadyQueues int = 0

@description('Reach storage and vault through a virtual network only.')
param privateNetworking bool = false

@description('Address range of the virtual network.')
param networkPrefix string = '10.77.0.0/24'

@description('Range of the subnet that the function app goes out through, at least a /27.')
param functionsPrefix string = '10.77.0.0/27'

@description('Range of the subnet of the private endpoints.')
param endpointsPrefix string = '10.77.0.32/27'

@description('Put Easy Auth in front of the API as well. The API proves tokens itself in any case.')
param easyAuth bool = false

@description('Days for which logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Minutes that a vendor may be behind before it is an alert.')
@minValue(10)
param lagMinutes int = 30

@description('Public https address of a package (a zip) to put into the app; empty to publish the code otherwise.')
param packageUri string = ''

@description('Id of the Defender for Cloud configuration that this subscription\'s alerts belong to, as the API shows it; empty: no Logic App and no workflow automation yet.')
param automationConfigurationId string = ''

@description('Let the Logic App sign in with its own identity instead of a function key. It needs the app role Alerts.Send then (infra/scripts/grant-sender.sh).')
param automationIdentity bool = false

@description('Severities that the workflow automation forwards.')
param automationSeverities array = [
  'High'
  'Medium'
]

@description('Further application settings, or others than these templates would set. No secrets: deployments are kept in a history; name one in the vault instead, as @Microsoft.KeyVault(VaultName=...;SecretName=...).')
param settings object = {}

@description('Python version of the app.')
@allowed([
  '3.11'
  '3.12'
  '3.13'
])
param pythonVersion string = '3.13'

@description('Tags of all resources.')
param tags object = {
  'azd-env-name': environmentName
}

var token = toLower(uniqueString(subscription().id, resourceGroup().id, environmentName))
var names = {
  app: empty(functionAppName) ? 'func-pocketsoc-${token}' : functionAppName
  identity: 'id-pocketsoc-${token}'
  insights: 'appi-pocketsoc-${token}'
  network: 'vnet-pocketsoc-${token}'
  plan: 'plan-pocketsoc-${token}'
  storage: empty(storageAccountName) ? 'stpocketsoc${token}' : storageAccountName
  vault: empty(vaultName) ? 'kv-psoc-${token}' : vaultName
  workspace: 'log-pocketsoc-${token}'
}
var apiTenant = empty(apiTenantId) ? tenant().tenantId : apiTenantId
var packageContainer = 'app-package'
var storageServices = [
  'blob'
  'queue'
  'table'
]
// vault.azure.net has its private zone under vaultcore.azure.net; the other clouds likewise.
var vaultZone = 'privatelink${replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')}'

module identity 'modules/identity.bicep' = {
  name: 'pocketsoc-identity'
  params: {
    name: names.identity
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'pocketsoc-monitoring'
  params: {
    workspaceName: names.workspace
    insightsName: names.insights
    location: location
    tags: tags
    retentionDays: logRetentionDays
  }
}

module storage 'modules/storage.bicep' = {
  name: 'pocketsoc-storage'
  params: {
    name: names.storage
    location: location
    tags: tags
    sku: storageSku
    privateNetworking: privateNetworking
    packageContainer: packageContainer
    messageRetentionDays: 14
  }
}

module vault 'modules/vault.bicep' = {
  name: 'pocketsoc-vault'
  params: {
    name: names.vault
    location: location
    tags: tags
    privateNetworking: privateNetworking
    workspaceId: monitoring.outputs.workspaceId
  }
}

module roles 'modules/roles.bicep' = {
  name: 'pocketsoc-roles'
  params: {
    principalId: identity.outputs.principalId
    // By their names, which are known beforehand, so that a what-if can look inside.
    storageAccountName: names.storage
    vaultName: names.vault
    insightsName: names.insights
  }
  dependsOn: [
    monitoring
    storage
    vault
  ]
}

module network 'modules/network.bicep' = if (privateNetworking) {
  name: 'pocketsoc-network'
  params: {
    name: names.network
    location: location
    tags: tags
    addressPrefix: networkPrefix
    functionsPrefix: functionsPrefix
    endpointsPrefix: endpointsPrefix
  }
}

module storageEndpoints 'modules/private-endpoint.bicep' = [for service in storageServices: if (privateNetworking) {
  name: 'pocketsoc-endpoint-${service}'
  params: {
    name: 'pe-${names.storage}-${service}'
    location: location
    tags: tags
    targetId: storage.outputs.id
    groupId: service
    zoneName: 'privatelink.${service}.${environment().suffixes.storage}'
    #disable-next-line BCP318
    networkId: privateNetworking ? network.outputs.id : ''
    #disable-next-line BCP318
    subnetId: privateNetworking ? network.outputs.endpointsSubnetId : ''
  }
}]

module vaultEndpoint 'modules/private-endpoint.bicep' = if (privateNetworking) {
  name: 'pocketsoc-endpoint-vault'
  params: {
    name: 'pe-${names.vault}'
    location: location
    tags: tags
    targetId: vault.outputs.id
    groupId: 'vault'
    zoneName: vaultZone
    #disable-next-line BCP318
    networkId: privateNetworking ? network.outputs.id : ''
    #disable-next-line BCP318
    subnetId: privateNetworking ? network.outputs.endpointsSubnetId : ''
  }
}

module app 'modules/function-app.bicep' = {
  name: 'pocketsoc-app'
  params: {
    name: names.app
    planName: names.plan
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    blobUri: storage.outputs.blobUri
    queueUri: storage.outputs.queueUri
    tableUri: storage.outputs.tableUri
    packageContainer: packageContainer
    insightsConnectionString: monitoring.outputs.connectionString
    vaultUri: vault.outputs.uri
    #disable-next-line BCP318
    subnetId: privateNetworking ? network.outputs.functionsSubnetId : ''
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    queueBatchSize: queueBatchSize
    queueNewBatchThreshold: queueNewBatchThreshold
    alwaysReadyHttp: alwaysReadyHttp
    alwaysReadyQueues: alwaysReadyQueues
    cloud: cloud
    apiTenantId: apiTenant
    apiAudience: empty(apiClientId) ? '' : 'api://${apiClientId},${apiClientId}'
    publicUrl: publicUrl
    pushPrivacy: pushPrivacy
    webPushSubject: empty(alertEmail) ? '' : 'mailto:${alertEmail}'
    settings: settings
  }
  // The app reads its package and its keys with these roles, and through these endpoints, from its first second on.
  dependsOn: [
    roles
    storageEndpoints
    vaultEndpoint
  ]
}

module auth 'modules/auth.bicep' = {
  name: 'pocketsoc-auth'
  params: {
    functionAppName: names.app
    enabled: easyAuth
    tenantId: apiTenant
    clientId: apiClientId
  }
  dependsOn: [
    app
  ]
}

module package 'modules/package.bicep' = if (!empty(packageUri)) {
  name: 'pocketsoc-package'
  params: {
    functionAppName: names.app
    packageUri: packageUri
  }
  dependsOn: [
    auth
  ]
}

module alerts 'modules/alerts.bicep' = {
  name: 'pocketsoc-alerts'
  params: {
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    alertEmail: alertEmail
    lagMinutes: lagMinutes
    pushFailurePercent: 20
    exceptionLimit: 10
  }
}

module automation 'modules/automation.bicep' = if (!empty(automationConfigurationId)) {
  name: 'pocketsoc-automation'
  params: {
    location: location
    functionAppName: names.app
    functionAppUrl: app.outputs.url
    configurationId: automationConfigurationId
    audience: automationIdentity ? 'api://${apiClientId}' : ''
    severities: automationSeverities
    alertEmail: alertEmail
  }
}

@description('Name of the function app: func azure functionapp publish takes it.')
output functionAppName string = app.outputs.name

@description('Address of the function app.')
output functionAppUrl string = app.outputs.url

@description('Client id of the identity of the app: what a vendor configuration with a managed identity names.')
output identityClientId string = identity.outputs.clientId

@description('Object id of that identity: what the vendors\' permissions are granted to.')
output identityPrincipalId string = identity.outputs.principalId

@description('Name of the Key Vault.')
output vaultName string = vault.outputs.name

@description('Name of the storage account.')
output storageAccountName string = storage.outputs.name

@description('Object id of the identity of the Logic App; empty while there is none.')
#disable-next-line BCP318
output logicAppPrincipalId string = !empty(automationConfigurationId) ? automation.outputs.principalId : ''
