metadata description = 'What tells the operator that something is wrong, by e-mail: rules over the log of the product, and the workbook that shows the same numbers.'

@description('Azure region.')
param location string

@description('Tags of the resources.')
param tags object

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Who is written to; empty for nobody: the rules still fire, and are seen in the portal.')
param alertEmail string

@description('Minutes that a vendor may be behind before it is an alert.')
@minValue(10)
param lagMinutes int

@description('Share of pushes, in percent, that may fail for our own reasons before it is an alert.')
@minValue(1)
@maxValue(100)
param pushFailurePercent int

@description('Exceptions in a quarter of an hour above which it is an alert.')
@minValue(0)
param exceptionLimit int

// The lines "pulse {...}" and "pushes {...}" are those of shared/pipeline/pulse.py and notify.py; function names are
// those of function_app.py. A test compares them.
var rules = [
  {
    name: 'no-tick'
    title: 'PocketSOC: no tick'
    description: 'No tick succeeded for 15 minutes: nothing is polled. See docs/deploy.md, "What tells you".'
    severity: 0
    query: 'AppRequests | where Name == "tick" and Success == true'
    operator: 'LessThan'
    threshold: 1
  }
  {
    name: 'poison'
    title: 'PocketSOC: messages keep failing'
    description: 'Messages failed five times and were put into quarantine, or wait in a poison queue. See docs/operations.md, "Quarantine".'
    severity: 1
    query: 'union (AppRequests | where Name startswith "quarantine_"), (AppTraces | where Message startswith "pulse " | where toint(parse_json(substring(Message, 6)).poison) > 0)'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'lag'
    title: 'PocketSOC: a vendor is behind'
    description: 'At least one configuration has not been read for too long. GET /api/v1/status says which, and why.'
    severity: 1
    query: 'AppTraces | where Message startswith "pulse " | extend Said = parse_json(substring(Message, 6)) | where toint(Said.lag_seconds) > ${lagMinutes * 60}'
    operator: 'GreaterThan'
    threshold: 1
  }
  {
    name: 'push-failures'
    title: 'PocketSOC: pushes fail'
    description: 'Too many pushes failed for reasons on our side. The log of notify has the words of the push services.'
    severity: 1
    query: 'AppTraces | where Message startswith "pushes " | extend Said = parse_json(substring(Message, 7)) | summarize Delivered = sum(toint(Said.delivered)), Failed = sum(toint(Said.our_fault)) | where Failed > 0 and 100.0 * Failed / (Delivered + Failed) > ${pushFailurePercent}'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'exceptions'
    title: 'PocketSOC: many exceptions'
    description: 'Functions fail more often than redelivery explains. The exceptions are in Application Insights.'
    severity: 2
    query: 'AppExceptions'
    operator: 'GreaterThan'
    threshold: exceptionLimit
  }
  {
    name: 'trouble'
    title: 'PocketSOC: it says that it may be blind'
    description: 'The product has noticed trouble by itself, and has told the admins who have the app. The line says what and what to do.'
    severity: 1
    query: 'AppTraces | where Message startswith "trouble: "'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'refusals'
    title: 'PocketSOC: the API or the webhook fails'
    description: 'Requests were answered with a server error.'
    severity: 2
    query: 'AppRequests | where Name in ("api", "webhook_defender_for_cloud") and toint(ResultCode) >= 500'
    operator: 'GreaterThan'
    threshold: 2
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'pocketsoc-operators'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'pocketsoc'
    emailReceivers: empty(alertEmail) ? [] : [
      {
        name: 'operator'
        emailAddress: alertEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alert 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'pocketsoc-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: rule.title
    description: rule.description
    severity: rule.severity
    enabled: true
    autoMitigate: true
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    scopes: [
      workspaceId
    ]
    // The tables of a new workspace are there only after the first telemetry.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: rule.operator
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'pocketsoc-workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'PocketSOC: is anything being missed?'
    category: 'workbook'
    version: 'Notebook/1.0'
    sourceId: workspaceId
    serializedData: replace(loadTextContent('../workbook.json'), '<workspace>', workspaceId)
  }
}
