targetScope = 'subscription'

metadata description = 'PocketSOC in a subscription: a resource group and everything in it. For azd, and for az deployment sub create.'

@description('Name of this installation, for example prod. Names of resources are made from it.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Azure region of everything. It must have Flex Consumption.')
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('Name of the resource group; empty to make one from the name of the installation.')
@maxLength(90)
param resourceGroupName string = ''

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

var tags = {
  'azd-env-name': environmentName
}

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: empty(resourceGroupName) ? 'rg-pocketsoc-${environmentName}' : resourceGroupName
  location: location
  tags: tags
}

module resources 'resources.bicep' = {
  name: 'pocketsoc-resources'
  scope: group
  params: {
    environmentName: environmentName
    location: location
    functionAppName: functionAppName
    storageAccountName: storageAccountName
    vaultName: vaultName
    storageSku: storageSku
    cloud: cloud
    apiTenantId: apiTenantId
    apiClientId: apiClientId
    publicUrl: publicUrl
    pushPrivacy: pushPrivacy
    alertEmail: alertEmail
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    queueBatchSize: queueBatchSize
    queueNewBatchThreshold: queueNewBatchThreshold
    alwaysReadyHttp: alwaysReadyHttp
    alwaysReadyQueues: alwaysReadyQueues
    privateNetworking: privateNetworking
    networkPrefix: networkPrefix
    functionsPrefix: functionsPrefix
    endpointsPrefix: endpointsPrefix
    easyAuth: easyAuth
    logRetentionDays: logRetentionDays
    lagMinutes: lagMinutes
    packageUri: packageUri
    automationConfigurationId: automationConfigurationId
    automationIdentity: automationIdentity
    automationSeverities: automationSeverities
    settings: settings
    pythonVersion: pythonVersion
    tags: tags
  }
}

@description('Name of the resource group.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Name of the function app: func azure functionapp publish takes it.')
output AZURE_FUNCTION_APP_NAME string = resources.outputs.functionAppName

@description('Address of the function app.')
output SERVICE_BACKEND_URI string = resources.outputs.functionAppUrl

@description('Client id of the identity of the app: what a vendor configuration with a managed identity names.')
output IDENTITY_CLIENT_ID string = resources.outputs.identityClientId

@description('Object id of that identity: what the vendors\' permissions are granted to.')
output IDENTITY_PRINCIPAL_ID string = resources.outputs.identityPrincipalId

@description('Name of the Key Vault.')
output AZURE_KEY_VAULT_NAME string = resources.outputs.vaultName

@description('Name of the storage account.')
output AZURE_STORAGE_ACCOUNT_NAME string = resources.outputs.storageAccountName

@description('Object id of the identity of the Logic App; empty while there is none.')
output LOGIC_APP_PRINCIPAL_ID string = resources.outputs.logicAppPrincipalId
