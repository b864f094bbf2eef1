metadata description = 'The function app on Flex Consumption: how large, how many at once, what it may be reached by, and every setting that it reads.'

@description('Name of the function app; at most 32 characters, because the Functions host takes no more for its id.')
@minLength(2)
@maxLength(32)
param name string

@description('Name of the plan.')
param planName string

@description('Azure region.')
param location string

@description('Tags of the resources. azd finds the app by its own tag, which is added.')
param tags object

@description('Resource id of the identity that the app runs as.')
param identityId string

@description('Client id of that identity.')
param identityClientId string

@description('Address of the blob service, with a slash at its end.')
param blobUri string

@description('Address of the queue service.')
param queueUri string

@description('Address of the table service.')
param tableUri string

@description('Name of the container that holds the deployed package.')
param packageContainer string

@description('Connection string of Application Insights.')
param insightsConnectionString string

@description('Address of the Key Vault.')
param vaultUri string

@description('Resource id of the subnet that the app is joined to; empty for none.')
param subnetId string

@description('Python version.')
param pythonVersion string

@description('Memory of one instance in MB.')
param instanceMemoryMB int

@description('Most instances that run at once.')
param maximumInstanceCount int

@description('HTTP requests that one instance takes at once.')
param httpConcurrency int

@description('Queue messages that one instance fetches at once.')
param queueBatchSize int

@description('Number of messages under way below which an instance fetches again.')
param queueNewBatchThreshold int

@description('Instances that are always ready for HTTP.')
param alwaysReadyHttp int

@description('Instances that are always ready for each of the functions on an alert\'s way.')
param alwaysReadyQueues int

@description('Microsoft cloud in which the users of the API sign in.')
param cloud string

@description('Tenant whose users may call the API.')
param apiTenantId string

@description('Audiences of the API tokens, comma-separated.')
param apiAudience string

@description('Address under which phones and Logic Apps reach the app; empty for the app\'s own.')
param publicUrl string

@description('What a push may say at most.')
param pushPrivacy string

@description('Contact that push services see.')
param webPushSubject string

@description('Application settings that are added to these, or replace one of them.')
param settings object

// Threads for every message and request that an instance takes at once, and some to spare.
var threads = max(24, httpConcurrency + 8, queueBatchSize + queueNewBatchThreshold + 8)
var queueFunctions = [
  'poll_vendor'
  'ingest'
  'notify'
]
var readyForQueues = [for function in queueFunctions: {
  name: 'function:${function}'
  instanceCount: alwaysReadyQueues
}]
var readyForHttp = [
  {
    name: 'http'
    instanceCount: alwaysReadyHttp
  }
]

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  // checkov:skip=CKV_AZURE_212: Flex Consumption starts instances as they are needed; a fixed number of workers is not its way
  // checkov:skip=CKV_AZURE_225: Flex Consumption is made zone-redundant by maximumInstanceCount and region, not on every plan; see docs/deploy.md
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  // checkov:skip=CKV_AZURE_17: phones and Logic Apps have no client certificates; they have Entra tokens and function keys
  // checkov:skip=CKV_AZURE_71: it has a user-assigned identity, whose permissions outlive the app
  // checkov:skip=CKV_AZURE_212: Flex Consumption starts instances as they are needed; alwaysReadyHttp keeps some
  // checkov:skip=CKV_AZURE_213: Flex Consumption has no health check; the alert no-tick stands in for it
  // checkov:skip=CKV_AZURE_222: phones reach the app from the internet; each route proves who calls
  name: name
  location: location
  tags: union(tags, {
    'azd-service-name': 'backend'
  })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    // Closes /admin/*. A documented property of the site that the published types do not have.
    #disable-next-line BCP037
    functionsRuntimeAdminIsolationEnabled: true
    siteConfig: {
      ftpsState: 'Disabled'
      http20Enabled: true
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobUri}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: pythonVersion
      }
      scaleAndConcurrency: {
        alwaysReady: concat(alwaysReadyHttp > 0 ? readyForHttp : [], alwaysReadyQueues > 0 ? readyForQueues : [])
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
    }
  }
}

resource ftpPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

// A resource of its own, because one of the settings is the app's own address.
resource appSettings 'Microsoft.Web/sites/config@2024-11-01' = {
  // checkov:skip=CKV_AZURE_13: the API proves Entra tokens itself, on every route; Easy Auth in front of it is modules/auth.bicep
  // checkov:skip=CKV_AZURE_63: Flex Consumption has no web server logs; requests are in Application Insights
  // checkov:skip=CKV_AZURE_65: likewise; exceptions are in Application Insights
  // checkov:skip=CKV_AZURE_66: likewise; there is no failed request tracing on Linux
  // checkov:skip=CKV_AZURE_80: it runs Python, not .NET
  // checkov:skip=CKV_AZURE_88: nothing is kept on the app's own disk, so there is nothing to put on Azure Files
  // checkov:skip=CKV_AZURE_222: phones reach the app from the internet; each route proves who calls
  parent: app
  name: 'appsettings'
  properties: union({
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
    AzureFunctionsJobHost__extensions__queues__batchSize: string(queueBatchSize)
    AzureFunctionsJobHost__extensions__queues__newBatchThreshold: string(queueNewBatchThreshold)
    AzureWebJobsDisableHomepage: 'true'
    AzureWebJobsStorage__blobServiceUri: blobUri
    AzureWebJobsStorage__clientId: identityClientId
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__queueServiceUri: queueUri
    AzureWebJobsStorage__tableServiceUri: tableUri
    POCKETSOC_API_AUDIENCE: apiAudience
    POCKETSOC_API_TENANT_ID: apiTenantId
    POCKETSOC_CLOUD: cloud
    POCKETSOC_KEY_VAULT_URL: vaultUri
    POCKETSOC_PUBLIC_URL: empty(publicUrl) ? 'https://${app.properties.defaultHostName}' : publicUrl
    POCKETSOC_PUSH_PRIVACY: pushPrivacy
    POCKETSOC_WEB_PUSH_SUBJECT: webPushSubject
    PYTHON_THREADPOOL_THREAD_COUNT: string(threads)
  }, settings)
}

@description('Resource id of the function app.')
output id string = app.id

@description('Name of the function app.')
output name string = app.name

@description('Address of the function app.')
output url string = empty(publicUrl) ? 'https://${app.properties.defaultHostName}' : publicUrl
