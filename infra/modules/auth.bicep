metadata description = 'Easy Auth in front of the app, for tenants whose policy asks for it. The API proves tokens itself, with it and without it.'

@description('Name of the function app.')
param functionAppName string

@description('Whether Easy Auth refuses requests without a valid token.')
param enabled bool

@description('Tenant whose users may call the API.')
param tenantId string

@description('Client id of the app registration of the API.')
param clientId string

// What must be reached without a token: probes, the page that signs people in, and Logic Apps that have a function key.
var openPaths = [
  '/api/v1/health'
  '/api/webhooks/*'
  '/'
  '/portal'
  '/portal/*'
]

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionAppName
}

resource easyAuth 'Microsoft.Web/sites/config@2024-11-01' = {
  // checkov:skip=CKV_AZURE_13: the API proves Entra tokens itself, on every route; this is Easy Auth in front of it, by parameter
  // checkov:skip=CKV_AZURE_63: Flex Consumption has no web server logs; requests are in Application Insights
  // checkov:skip=CKV_AZURE_65: likewise; exceptions are in Application Insights
  // checkov:skip=CKV_AZURE_66: likewise; there is no failed request tracing on Linux
  // checkov:skip=CKV_AZURE_80: it runs Python, not .NET
  // checkov:skip=CKV_AZURE_88: nothing is kept on the app's own disk, so there is nothing to put on Azure Files
  // checkov:skip=CKV_AZURE_222: phones reach the app from the internet; each route proves who calls
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: enabled
    }
    globalValidation: {
      requireAuthentication: enabled
      unauthenticatedClientAction: 'Return401'
      excludedPaths: openPaths
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: enabled
        registration: {
          clientId: clientId
          openIdIssuer: uri(environment().authentication.loginEndpoint, '${tenantId}/v2.0')
        }
        validation: {
          allowedAudiences: [
            clientId
            'api://${clientId}'
          ]
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}
