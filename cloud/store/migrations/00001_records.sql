-- +goose Up

-- Every time is TEXT, UTC, ISO 8601 with nine digits of fraction ('2026-01-02T03:04:05.678901000Z'): the order of the
-- strings is the order of the times, and a prefix is a bin. Lists are TEXT that holds a JSON array. A body holds the
-- whole record as JSON; the columns beside it are what filters, views and keys need. Every key leads with the site.

CREATE TABLE site (
    name        TEXT NOT NULL PRIMARY KEY,
    location    TEXT NOT NULL,
    description TEXT NOT NULL,
    created     TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sensor (
    site      TEXT    NOT NULL REFERENCES site (name),
    name      TEXT    NOT NULL,
    version   TEXT    NOT NULL,
    last_seen TEXT    NOT NULL,
    dropped   INTEGER NOT NULL, -- records that its spool had to drop
    PRIMARY KEY (site, name)
) WITHOUT ROWID;

-- How far each lane of each epoch of a sensor's spool is stored.
CREATE TABLE position (
    site     TEXT    NOT NULL,
    sensor   TEXT    NOT NULL,
    epoch    TEXT    NOT NULL,
    lane     INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (site, sensor, epoch, lane),
    FOREIGN KEY (site, sensor) REFERENCES sensor (site, name)
) WITHOUT ROWID;

CREATE TABLE device (
    site       TEXT NOT NULL REFERENCES site (name),
    id         TEXT NOT NULL,
    sensor     TEXT NOT NULL,
    name       TEXT NOT NULL, -- the first of its names, or empty
    type       TEXT NOT NULL,
    category   TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen  TEXT NOT NULL,
    search     TEXT NOT NULL, -- lower case: id, names, addresses, vendor, model
    body       TEXT NOT NULL,
    PRIMARY KEY (site, id)
);

-- A row for each change of a device and for each day on which it was seen.
CREATE TABLE device_history (
    report        INTEGER PRIMARY KEY AUTOINCREMENT,
    site          TEXT NOT NULL,
    device        TEXT NOT NULL,
    time          TEXT NOT NULL, -- when it was last seen, by the sensor's clock
    name          TEXT NOT NULL,
    public_ip     TEXT NOT NULL,
    os            TEXT NOT NULL,
    category      TEXT NOT NULL,
    type          TEXT NOT NULL,
    vendor        TEXT NOT NULL,
    model         TEXT NOT NULL,
    firmware      TEXT NOT NULL,
    serial        TEXT NOT NULL,
    zone          TEXT NOT NULL,
    purdue        TEXT NOT NULL,
    criticality   TEXT NOT NULL,
    ips           TEXT NOT NULL,
    macs          TEXT NOT NULL,
    protocols     TEXT NOT NULL,
    compromise    TEXT NOT NULL,
    first_seen    TEXT NOT NULL,
    additional    TEXT NOT NULL,
    FOREIGN KEY (site, device) REFERENCES device (site, id)
);
-- Two changes may have one time: what is known of a device can change without its being seen again.
CREATE INDEX device_history_device ON device_history (site, device, time);
CREATE INDEX device_history_time ON device_history (time);

CREATE TABLE edge (
    site      TEXT    NOT NULL REFERENCES site (name),
    client    TEXT    NOT NULL,
    server    TEXT    NOT NULL,
    protocol  TEXT    NOT NULL,
    port      INTEGER NOT NULL,
    client_ip TEXT    NOT NULL,
    server_ip TEXT    NOT NULL,
    last_seen TEXT    NOT NULL,
    body      TEXT    NOT NULL,
    PRIMARY KEY (site, client, server, protocol, port, client_ip, server_ip)
);

CREATE TABLE alert (
    site       TEXT    NOT NULL REFERENCES site (name),
    id         TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    rule       TEXT    NOT NULL,
    title      TEXT    NOT NULL,
    severity   TEXT    NOT NULL,
    level      TEXT    NOT NULL,
    time       TEXT    NOT NULL,
    last_time  TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    actor_ip   TEXT    NOT NULL,
    target_ip  TEXT    NOT NULL,
    protocol   TEXT    NOT NULL,
    techniques TEXT    NOT NULL,
    count      INTEGER NOT NULL,
    received   TEXT    NOT NULL,
    incident   INTEGER NOT NULL DEFAULT 0,
    body       TEXT    NOT NULL,
    PRIMARY KEY (site, id)
);
CREATE INDEX alert_time ON alert (time);
CREATE INDEX alert_incident ON alert (site, incident);
CREATE INDEX alert_actor ON alert (site, actor);
CREATE INDEX alert_target ON alert (site, target);

CREATE TABLE coverage (
    site      TEXT    NOT NULL REFERENCES site (name),
    sensor    TEXT    NOT NULL,
    client_ip TEXT    NOT NULL,
    server_ip TEXT    NOT NULL,
    port      INTEGER NOT NULL,
    protocol  TEXT    NOT NULL,
    total     INTEGER NOT NULL,
    received  TEXT    NOT NULL,
    body      TEXT    NOT NULL,
    PRIMARY KEY (site, sensor, client_ip, server_ip, port, protocol, total)
);

CREATE TABLE incident (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    site       TEXT NOT NULL REFERENCES site (name),
    product    TEXT NOT NULL,
    severity   TEXT NOT NULL,
    status     TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen  TEXT NOT NULL,
    search     TEXT NOT NULL, -- lower case: title, summary, devices, alerts
    body       TEXT NOT NULL
);
CREATE INDEX incident_site ON incident (site, last_seen);

-- The views have the columns that hunting queries of the field expect, in their order; ours follow after them. What a
-- network sensor cannot know is NULL, so that published queries bind.

CREATE VIEW DeviceInfo AS
SELECT time        AS Timestamp,
       device      AS DeviceId,
       name        AS DeviceName,
       NULL        AS ClientVersion,
       public_ip   AS PublicIP,
       NULL        AS OSArchitecture,
       os          AS OSPlatform,
       NULL        AS OSBuild,
       NULL        AS IsAzureADJoined,
       NULL        AS JoinType,
       NULL        AS AadDeviceId,
       NULL        AS LoggedOnUsers,
       NULL        AS RegistryDeviceTag,
       NULL        AS OSVersion,
       NULL        AS MachineGroup,
       report      AS ReportId,
       NULL        AS OnboardingStatus,
       additional  AS AdditionalFields,
       category    AS DeviceCategory,
       type        AS DeviceType,
       NULL        AS DeviceSubtype,
       model       AS Model,
       vendor      AS Vendor,
       NULL        AS OSDistribution,
       NULL        AS OSVersionInfo,
       NULL        AS MergedDeviceIds,
       NULL        AS MergedToDeviceId,
       NULL        AS IsInternetFacing,
       NULL        AS SensorHealthState,
       NULL        AS IsExcluded,
       NULL        AS ExclusionReason,
       NULL        AS ExposureLevel,
       CASE criticality WHEN 'low' THEN 'Low' WHEN 'medium' THEN 'Normal' WHEN 'high' THEN 'High' ELSE '' END AS AssetValue,
       NULL        AS DeviceManualTags,
       NULL        AS DeviceDynamicTags,
       NULL        AS ConnectivityType,
       NULL        AS HostDeviceId,
       NULL        AS AzureResourceId,
       NULL        AS AwsResourceName,
       NULL        AS GcpFullResourceName,
       site        AS Site,
       ips         AS IPAddresses,
       macs        AS MacAddresses,
       zone        AS Zone,
       purdue      AS PurdueLevel,
       firmware    AS FirmwareVersion,
       serial      AS SerialNumber,
       protocols   AS Protocols,
       first_seen  AS FirstSeen,
       compromise  AS CompromiseState
FROM device_history;

CREATE VIEW AlertInfo AS
SELECT time                 AS Timestamp,
       id                   AS AlertId,
       title                AS Title,
       CASE level WHEN 'contact' THEN 'LateralMovement' WHEN 'read' THEN 'Collection'
                  WHEN 'engineering-read' THEN 'Discovery' WHEN 'write' THEN 'ImpairProcessControl'
                  WHEN 'control' THEN 'ImpairProcessControl' WHEN 'effect' THEN 'Impact'
                  ELSE 'SuspiciousActivity' END AS Category,
       upper(substr(severity, 1, 1)) || substr(severity, 2) AS Severity,
       'Spanwatch'          AS ServiceSource,
       'Spanwatch sensor'   AS DetectionSource,
       techniques           AS AttackTechniques,
       site                 AS Site,
       rule                 AS RuleId,
       level                AS ImpactLevel
FROM alert;

-- A row for each entity of an alert: who did it, what it was done to, and what else is named as impacted.
CREATE VIEW AlertEvidence AS
SELECT i.Timestamp          AS Timestamp,
       i.AlertId            AS AlertId,
       i.Title              AS Title,
       json_array(i.Category) AS Categories,
       i.AttackTechniques   AS AttackTechniques,
       i.ServiceSource      AS ServiceSource,
       i.DetectionSource    AS DetectionSource,
       CASE e.device WHEN '' THEN 'Ip' ELSE 'Machine' END AS EntityType,
       e.role               AS EvidenceRole,
       e.direction          AS EvidenceDirection,
       NULL                 AS FileName,
       NULL                 AS FolderPath,
       NULL                 AS SHA1,
       NULL                 AS SHA256,
       NULL                 AS FileSize,
       NULL                 AS ThreatFamily,
       -- An entity that is only an address stands in RemoteIP; a device has its own address in LocalIP and its peer's here.
       CASE e.device WHEN '' THEN e.ip ELSE e.peer_ip END AS RemoteIP,
       NULL                 AS RemoteUrl,
       NULL                 AS AccountName,
       NULL                 AS AccountDomain,
       NULL                 AS AccountSid,
       NULL                 AS AccountObjectId,
       NULL                 AS AccountUpn,
       e.device             AS DeviceId,
       coalesce(d.name, '') AS DeviceName,
       CASE e.device WHEN '' THEN '' ELSE e.ip END AS LocalIP,
       NULL                 AS NetworkMessageId,
       NULL                 AS EmailSubject,
       NULL                 AS Application,
       NULL                 AS ApplicationId,
       NULL                 AS OAuthApplicationId,
       NULL                 AS ProcessCommandLine,
       NULL                 AS RegistryKey,
       NULL                 AS RegistryValueName,
       NULL                 AS RegistryValueData,
       e.additional         AS AdditionalFields,
       i.Severity           AS Severity,
       NULL                 AS CloudResource,
       NULL                 AS CloudPlatform,
       NULL                 AS ResourceType,
       NULL                 AS ResourceID,
       NULL                 AS SubscriptionId,
       i.Site               AS Site
FROM (
    SELECT site, id, actor AS device, actor_ip AS ip, target_ip AS peer_ip, 'related' AS role, 'source' AS direction,
           json_object('Protocol', protocol, 'RuleId', rule, 'ImpactLevel', level, 'Count', count) AS additional
    FROM alert WHERE actor <> '' OR actor_ip <> ''
    UNION ALL
    SELECT site, id, target, target_ip, actor_ip, 'impacted', 'destination',
           json_object('Protocol', protocol, 'RuleId', rule, 'ImpactLevel', level, 'Count', count)
    FROM alert WHERE target <> '' OR target_ip <> ''
    UNION ALL
    SELECT a.site, a.id, coalesce(j.value ->> 'device', ''), coalesce(j.value ->> 'ip', ''), a.actor_ip,
           'impacted', 'destination',
           json_object('Protocol', a.protocol, 'RuleId', a.rule, 'ImpactLevel', a.level,
                       'Reason', coalesce(j.value ->> 'reason', ''))
    FROM alert AS a, json_each(a.body, '$.impacted') AS j
    WHERE j.type = 'object'
      AND (coalesce(j.value ->> 'device', ''), coalesce(j.value ->> 'ip', '')) NOT IN
          (VALUES (a.actor, a.actor_ip), (a.target, a.target_ip))
      AND (coalesce(j.value ->> 'device', '') = '' OR j.value ->> 'device' NOT IN (a.actor, a.target))
) AS e
JOIN AlertInfo AS i ON i.Site = e.site AND i.AlertId = e.id
LEFT JOIN device AS d ON d.site = e.site AND d.id = e.device;
