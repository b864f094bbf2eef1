metadata description = 'Defender for Cloud in the backend\'s own subscription: the template that other subscriptions download, wired to this app.'

@description('Azure region.')
param location string

@description('Name of the function app.')
param functionAppName string

@description('Address of the function app.')
param functionAppUrl string

@description('Id of the vendor configuration that the alerts belong to, as the API shows it.')
param configurationId string

@description('Severities that are forwarded.')
param severities array

@description('App ID URI of the API: the Logic App then signs in with its own identity. Empty: with a function key.')
param audience string

@description('Who is told when a run of the Logic App fails; empty for nobody.')
param alertEmail string

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionAppName
}

module forwarding '../../templates/pocketsoc-defender-automation.json' = {
  name: 'pocketsoc-forwarding'
  params: {
    location: location
    pocketsocWebhookUrl: '${functionAppUrl}/api/${empty(audience) ? 'webhooks' : 'v1/webhooks'}/defender-for-cloud/${configurationId}'
    // The host has keys once it has started: hence this module only with a configuration's id, which there is not before.
    pocketsocWebhookKey: empty(audience) ? listKeys('${app.id}/host/default', app.apiVersion).functionKeys.default : ''
    pocketsocAudience: audience
    severities: severities
    alertEmail: alertEmail
  }
}

@description('Object id of the identity of the Logic App: what the app role Alerts.Send is granted to, where it signs in with that.')
output principalId string = forwarding.outputs.principalId
