metadata description = 'The one identity that the product runs as. It is a resource of its own, so that what the vendors grant it outlives the function app.'

@description('Name of the user-assigned managed identity.')
param name string

@description('Azure region.')
param location string

@description('Tags of the resource.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
  tags: tags
}

@description('Resource id of the identity.')
output id string = identity.id

@description('Client id of the identity: what the product signs in with.')
output clientId string = identity.properties.clientId

@description('Object id of the identity: what roles and permissions are assigned to.')
output principalId string = identity.properties.principalId
