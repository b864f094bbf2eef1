metadata description = 'Every role that the product has in Azure, in one table. What the vendors grant is not here: scripts/grant-vendor-permissions.sh.'

@description('Object id of the identity that the product runs as.')
param principalId string

@description('Name of the storage account.')
param storageAccountName string

@description('Name of the Key Vault.')
param vaultName string

@description('Name of the Application Insights component.')
param insightsName string

// The ids are those of Azure's built-in roles; a test compares them with the names.
var roles = {
  storage: [
    {
      // The Functions host takes leases and makes containers for its keys and timers, and reads the package.
      name: 'Storage Blob Data Owner'
      id: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
    }
    {
      name: 'Storage Queue Data Contributor'
      id: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
    }
    {
      name: 'Storage Table Data Contributor'
      id: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
    }
  ]
  vault: [
    {
      // Officer, not User: what an Admin types into a configuration is written there.
      name: 'Key Vault Secrets Officer'
      id: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
    }
  ]
  insights: [
    {
      name: 'Monitoring Metrics Publisher'
      id: '3913510d-42f4-4e42-8a64-420c390055eb'
    }
  ]
}

resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageAccountName
}

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vaultName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

// The scope of a resource must be a symbol, hence one loop for each kind of target.
resource onStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in roles.storage: {
  scope: storage
  name: guid(storage.id, principalId, role.id)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.id)
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'PocketSOC: ${role.name}'
  }
}]

resource onVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in roles.vault: {
  scope: vault
  name: guid(vault.id, principalId, role.id)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.id)
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'PocketSOC: ${role.name}'
  }
}]

resource onInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in roles.insights: {
  scope: insights
  name: guid(insights.id, principalId, role.id)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.id)
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'PocketSOC: ${role.name}'
  }
}]
