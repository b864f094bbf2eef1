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
