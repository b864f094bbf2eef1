metadata description = 'The storage account of the product and of the Functions host: no keys, no anonymous access, and everything named as the code names it.'

@description('Name of the storage account.')
@minLength(3)
@maxLength(24)
param name string

@description('Azure region.')
param location string

@description('Tags of the resource.')
param tags object

@description('Redundancy of the account, for example Standard_ZRS; Standard_LRS where the region has no zones.')
param sku string

@description('Whether the account is reached through private endpoints only.')
param privateNetworking bool

@description('Name of the container that holds the deployed package.')
param packageContainer string

@description('Days after which a message blob that nobody took is deleted. A queue message lives seven days.')
@minValue(8)
param messageRetentionDays int

// Named in shared/store/stores.py; a test compares.
var containers = [
  'messages'
  'documents'
  'quarantine'
]
var queues = [
  'polls'
  'raw-alerts'
  'raw-alerts-backlog'
  'notifications'
  'inventory'
  'notifications-backlog'
  'sweeps'
]
var tables = [
  'identities'
  'detections'
  'changes'
  'configurations'
  'installations'
  'deliveries'
  'quarantine'
  'postureevents'
  'credentials'
  'incidents'
  'inventory'
  'exports'
  'audit'
  'filtered'
  'troubles'
  'heartbeats'
  'ledger'
  'budgets'
]

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  // checkov:skip=CKV_AZURE_35: without private networking there is no network to allow; nobody enters without an Entra token and a role
  // checkov:skip=CKV_AZURE_59: anonymous access is off; private networking, a parameter, also closes the public address
  // checkov:skip=CKV_AZURE_36: no service of Azure has to come in by itself; bypass None keeps them all out
  // checkov:skip=CKV_AZURE_43: the name is a parameter; what resources.bicep makes fits the rules
  // checkov:skip=CKV_AZURE_206: the redundancy is a parameter, zone-redundant unless the region has no zones
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
  }
  kind: 'StorageV2'
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    allowedCopyScope: 'AAD'
    defaultToOAuthAuthentication: true
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: privateNetworking ? 'Disabled' : 'Enabled'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      bypass: 'None'
      defaultAction: privateNetworking ? 'Deny' : 'Allow'
    }
  }
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
    deleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [for containerName in concat(containers, [packageContainer]): {
  parent: blobService
  name: containerName
  properties: {
    publicAccess: 'None'
  }
}]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [for queueName in queues: {
  parent: queueService
  name: queueName
}]

resource poisonQueue 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [for queueName in queues: {
  parent: queueService
  name: '${queueName}-poison'
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' = [for tableName in tables: {
  parent: tableService
  name: tableName
}]

// Only what the product leaves behind by accident. Never the host's own containers, never quarantine, never documents.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'forgotten-messages'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                'messages/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: messageRetentionDays
                }
              }
            }
          }
        }
      ]
    }
  }
  dependsOn: [
    container
  ]
}

@description('Resource id of the account.')
output id string = account.id

@description('Name of the account.')
output name string = account.name

@description('Address of the blob service, with a slash at its end.')
output blobUri string = account.properties.primaryEndpoints.blob

@description('Address of the queue service, with a slash at its end.')
output queueUri string = account.properties.primaryEndpoints.queue

@description('Address of the table service, with a slash at its end.')
output tableUri string = account.properties.primaryEndpoints.table
