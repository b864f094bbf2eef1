// Azurite loads its telemetry library even with --disableTelemetry, and never calls it then.
module.exports = {};
