package kql

import "strings"

// Type is the type of a column or expression.
type Type uint8

// The types. Dynamic is JSON kept as text.
const (
	String Type = iota
	Long
	Real
	Bool
	Datetime
	Timespan
	Dynamic
)

// String gives the language's name of the type.
func (t Type) String() string {
	return [...]string{"string", "long", "real", "bool", "datetime", "timespan", "dynamic"}[t]
}

// Column is a column of a table or of a result.
type Column struct {
	Name string
	Type Type
	// AlsoIn names a column of the same table that holds a JSON array of strings: a test for equality with this
	// column is true for each of them too. A device is found under every address it has.
	AlsoIn string
}

// Table is a table that queries may read.
type Table struct {
	Name    string
	Columns []Column
}

// Schema is the list of tables that queries may read: the same views on a collector and on a sensor. The columns of
// DeviceInfo, AlertInfo and AlertEvidence are those of Microsoft Defender's advanced hunting schema, in its order, so
// that published queries bind; a network sensor leaves some of them empty. Columns of ours follow.
var Schema = []Table{
	{"DeviceInfo", columns(
		"Timestamp datetime", "DeviceId", "DeviceName", "ClientVersion", "PublicIP in IPAddresses", "OSArchitecture", "OSPlatform",
		"OSBuild long", "IsAzureADJoined bool", "JoinType", "AadDeviceId", "LoggedOnUsers", "RegistryDeviceTag", "OSVersion",
		"MachineGroup", "ReportId long", "OnboardingStatus", "AdditionalFields", "DeviceCategory", "DeviceType",
		"DeviceSubtype", "Model", "Vendor", "OSDistribution", "OSVersionInfo", "MergedDeviceIds", "MergedToDeviceId",
		"IsInternetFacing bool", "SensorHealthState", "IsExcluded bool", "ExclusionReason", "ExposureLevel", "AssetValue",
		"DeviceManualTags", "DeviceDynamicTags", "ConnectivityType", "HostDeviceId", "AzureResourceId", "AwsResourceName",
		"GcpFullResourceName",
		"Site", "IPAddresses dynamic", "MacAddresses dynamic", "Zone", "PurdueLevel", "FirmwareVersion", "SerialNumber",
		"Protocols dynamic", "FirstSeen datetime", "CompromiseState",
	)},
	{"AlertInfo", columns(
		"Timestamp datetime", "AlertId", "Title", "Category", "Severity", "ServiceSource", "DetectionSource", "AttackTechniques",
		"Site", "RuleId", "ImpactLevel",
	)},
	{"AlertEvidence", columns(
		"Timestamp datetime", "AlertId", "Title", "Categories", "AttackTechniques", "ServiceSource", "DetectionSource",
		"EntityType", "EvidenceRole", "EvidenceDirection", "FileName", "FolderPath", "SHA1", "SHA256", "FileSize long",
		"ThreatFamily", "RemoteIP", "RemoteUrl", "AccountName", "AccountDomain", "AccountSid", "AccountObjectId", "AccountUpn",
		"DeviceId", "DeviceName", "LocalIP", "NetworkMessageId", "EmailSubject", "Application", "ApplicationId long",
		"OAuthApplicationId", "ProcessCommandLine", "RegistryKey", "RegistryValueName", "RegistryValueData",
		"AdditionalFields", "Severity", "CloudResource", "CloudPlatform", "ResourceType", "ResourceID", "SubscriptionId",
		"Site",
	)},
}

// columns reads "Name", "Name type" and "Name in Array".
func columns(list ...string) []Column {
	types := map[string]Type{"datetime": Datetime, "long": Long, "bool": Bool, "dynamic": Dynamic}
	out := make([]Column, len(list))
	for i, text := range list {
		words := strings.Fields(text)
		out[i].Name = words[0]
		switch {
		case len(words) == 3:
			out[i].AlsoIn = words[2]
		case len(words) == 2:
			out[i].Type = types[words[1]]
		}
	}
	return out
}
