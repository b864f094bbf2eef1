metadata description = 'Defender for Cloud in the backend\'s own subscription: a Logic App that forwards alerts to the webhook, and the workflow automation that starts it.'

@description('Azure region.')
param location string

@description('Tags of the resources.')
param tags object

@description('Name of the Logic App.')
param logicAppName string

@description('Name of the workflow automation.')
param automationName string

@description('Name of the function app.')
param functionAppName string

@description('Address of the function app.')
param functionAppUrl string

@description('Id of the vendor configuration that the alerts belong to, as the API shows it.')
param configurationId string

@description('Severities that are forwarded.')
param severities array
