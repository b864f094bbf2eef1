// For plain az: `az deployment sub create --parameters infra/main.bicepparam`. Values come from the environment, so that this
// file can stay as it is; what is not here has the default of main.bicep.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'prod')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param resourceGroupName = readEnvironmentVariable('RESOURCE_GROUP_NAME', '')
param cloud = readEnvironmentVariable('API_CLOUD', 'commercial')
param apiTenantId = readEnvironmentVariable('API_TENANT_ID', '')
param apiClientId = readEnvironmentVariable('API_CLIENT_ID', '')
param publicUrl = readEnvironmentVariable('PUBLIC_URL', '')
param alertEmail = readEnvironmentVariable('ALERT_EMAIL', '')
param storageSku = readEnvironmentVariable('STORAGE_SKU', 'Standard_ZRS')
param privateNetworking = bool(readEnvironmentVariable('PRIVATE_NETWORKING', 'false'))
param easyAuth = bool(readEnvironmentVariable('EASY_AUTH', 'false'))
param alwaysReadyHttp = int(readEnvironmentVariable('ALWAYS_READY_HTTP', '0'))
param automationConfigurationId = readEnvironmentVariable('AUTOMATION_CONFIGURATION_ID', '')
param automationIdentity = bool(readEnvironmentVariable('AUTOMATION_IDENTITY', 'false'))
