package enip

import (
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
)

// class is a class of CIP objects: what reading and setting its attributes means, and the services of its own.
type class struct {
	name     string
	get, set protocols.Action // none: read and configure
	process  bool             // attributes are process values
	services []service
}

// Classes that messages are told apart by.
const (
	classIdentity = 0x01
	classRouter   = 0x02
	classManager  = 0x06
	classTCPIP    = 0xf5
	attributeHost = 6 // of TCP/IP: the host name
)

const (
	none      = protocols.ActionNone
	connect   = protocols.ActionConnect
	read      = protocols.ActionRead
	browse    = protocols.ActionBrowse
	identify  = protocols.ActionIdentify
	login     = protocols.ActionLogin
	upload    = protocols.ActionUpload
	file      = protocols.ActionFile
	write     = protocols.ActionWrite
	configure = protocols.ActionConfigure
	download  = protocols.ActionDownload
	control   = protocols.ActionControl
)

var (
	unknownClass = class{}
	tagClass     = class{name: "tag", get: read, set: write, services: tagServices}

	// programClass stands for Rockwell's classes that hold the parts of a project. Recorded transfers of projects create
	// their instances, set their attributes and fill them with service 0x50; service 0x4f gets the content back.
	programClass = class{get: browse, set: download, services: []service{
		{code: 0x4b, action: browse}, {code: 0x4c, action: read}, {code: 0x4f, action: upload}, {code: 0x50, action: download},
	}}
)

func process(name string) *class {
	return &class{name: name, get: read, set: write, process: true}
}

func settings(name string, services ...service) *class {
	return &class{name: name, get: read, set: configure, services: services}
}

// classes are the object classes (Volume 1, chapter 5; Volume 2, chapter 5; 1756-PM020).
var classes = map[uint32]*class{
	classIdentity: {name: "Identity", get: identify, set: configure, services: []service{
		{code: 0x01, name: "Get_Attributes_All", action: identify, data: dataIdentity},
		{code: 0x03, name: "Get_Attribute_List", action: identify, data: dataAttributes},
		{code: 0x0e, name: "Get_Attribute_Single", action: identify, data: dataAttribute},
		{code: 0x4b, name: "Flash_LEDs"},
	}},
	classRouter: {name: "Message Router", get: browse, set: configure, services: []service{
		{code: 0x4b, name: "Symbolic_Translation", action: browse},
	}},
	0x03: settings("DeviceNet"),
	0x04: process("Assembly"),
	0x05: {name: "Connection", get: read, set: configure, services: []service{
		{code: 0x4b, name: "Connection_Bind", action: connect}, {code: 0x4c, name: "Producing_Application_Lookup", action: browse},
	}},
	classManager: {name: "Connection Manager", get: browse, set: configure, services: []service{
		{code: 0x4e, name: "Forward_Close", action: connect, data: dataClose},
		{code: svcUnconnectedSend, name: "Unconnected_Send", action: none},
		{code: 0x54, name: "Forward_Open", action: connect, data: dataOpen},
		{code: 0x56, name: "Get_Connection_Data", action: browse},
		{code: 0x57, name: "Search_Connection_Data", action: browse},
		{code: 0x5a, name: "Get_Connection_Owner", action: browse},
		{code: 0x5b, name: "Large_Forward_Open", action: connect, data: dataOpen},
	}},
	0x07: process("Register"),
	0x08: process("Discrete Input Point"),
	0x09: process("Discrete Output Point"),
	0x0a: process("Analog Input Point"),
	0x0b: process("Analog Output Point"),
	0x0e: process("Presence Sensing"),
	0x0f: settings("Parameter", service{code: 0x4b, name: "Get_Enum_String", action: browse}),
	0x10: settings("Parameter Group"),
	0x12: settings("Group"),
	0x1d: process("Discrete Input Group"),
	0x1e: process("Discrete Output Group"),
	0x1f: process("Discrete Group"),
	0x20: process("Analog Input Group"),
	0x21: process("Analog Output Group"),
	0x22: process("Analog Group"),
	0x23: process("Position Sensor"),
	0x24: process("Position Controller Supervisor"),
	0x25: process("Position Controller"),
	0x28: settings("Motor Data"),
	0x29: process("Control Supervisor"),
	0x2a: process("AC/DC Drive"),
	0x2b: settings("Acknowledge Handler"),
	0x2c: settings("Overload"),
	0x2d: settings("Softstart"),
	0x2e: settings("Selection"),
	0x30: settings("S-Device Supervisor", service{code: 0x4b, name: "Abort", action: control}, service{code: 0x4c, name: "Recover", action: control},
		service{code: 0x4e, name: "Perform_Diagnostics", action: control}),
	0x31: process("S-Analog Sensor"),
	0x32: process("S-Analog Actuator"),
	0x33: process("S-Single Stage Controller"),
	0x37: {name: "File", get: browse, set: configure, services: []service{
		{code: 0x4b, name: "Initiate_Upload", action: upload, data: dataFile},
		{code: 0x4c, name: "Initiate_Download", action: download},
		{code: 0x4d, name: "Initiate_Partial_Read", action: upload, data: dataFile},
		{code: 0x4e, name: "Initiate_Partial_Write", action: download},
		{code: 0x4f, name: "Upload_Transfer", action: upload, data: dataFile},
		{code: 0x50, name: "Download_Transfer", action: download},
		{code: 0x51, name: "Clear_File", action: download},
	}},
	0x39: settings("Safety Supervisor",
		service{code: 0x4b, name: "Configure_Request", action: configure}, service{code: 0x4c, name: "Validate_Configuration", action: configure},
		service{code: 0x51, name: "Set_Password", action: configure}, service{code: 0x52, name: "Configuration_Lock/Unlock", action: configure},
		service{code: 0x53, name: "Mode_Change", action: control}, service{code: 0x54, name: "Safety_Reset", action: control},
		service{code: 0x55, name: "Reset_Password", action: configure}, service{code: 0x56, name: "Propose_TUNID", action: configure},
		service{code: 0x57, name: "Apply_TUNID", action: configure}),
	0x3a: settings("Safety Validator"),
	0x3b: process("Safety Discrete Output Point"),
	0x3d: process("Safety Discrete Input Point"),
	0x41: settings("Event Log"),
	0x42: settings("Motion Device Axis"),
	0x43: settings("Time Sync"),
	0x44: {name: "Modbus", get: read, set: configure, services: []service{
		{code: 0x4b, name: "Read_Discrete_Inputs", action: read}, {code: 0x4c, name: "Read_Coils", action: read},
		{code: 0x4d, name: "Read_Input_Registers", action: read}, {code: 0x4e, name: "Read_Holding_Registers", action: read},
		{code: 0x4f, name: "Write_Coils", action: write}, {code: 0x50, name: "Write_Holding_Registers", action: write},
		{code: 0x51, name: "Modbus_Passthrough", action: write},
	}},
	0x45: settings("Originator Connection List"),
	0x47: settings("Device Level Ring",
		service{code: 0x4b, name: "Verify_Fault_Location", action: read}, service{code: 0x4c, name: "Clear_Rapid_Faults", action: configure},
		service{code: 0x4d, name: "Restart_Sign_On", action: configure}),
	0x48: settings("QoS"),
	0x4e: settings("Base Energy"),
	0x4f: settings("Electrical Energy"),
	0x50: settings("Non-Electrical Energy"),
	0x52: settings("SNMP"),
	0x53: settings("Power Management"),
	0x54: settings("RSTP Bridge"),
	0x55: settings("RSTP Port"),
	0x5d: settings("CIP Security"),
	0x5e: settings("EtherNet/IP Security"),
	0x5f: settings("Certificate Management"),
	0x60: settings("Authority"),
	0x61: {name: "Password Authenticator", get: read, set: configure},
	0x67: settings("PCCC", service{code: 0x4b, name: "Execute_PCCC", action: none, data: dataPCCC}),
	0x68: &programClass,
	0x69: settings(""),
	0x6a: &programClass,
	0x6b: {name: "Symbol", get: browse, set: download, services: append([]service{
		{code: 0x55, name: "Get_Instance_Attribute_List", action: browse},
		{code: 0x4b, action: browse}, {code: 0x4f, action: upload}, {code: 0x50, action: download},
	}, tagServices...)},
	0x6c: {name: "Template", get: browse, set: download, services: []service{
		{code: 0x4c, name: "Read_Template", action: browse}, {code: 0x4b, action: browse},
		{code: 0x4f, action: upload}, {code: 0x50, action: download},
	}},
	0x6d: &programClass,
	0x70: &programClass,
	// Values by their address in a controller's memory: what lies behind the path is not published.
	0x72: {get: read, set: configure, services: []service{{code: 0x4c, name: "Read Tag", action: read}}},
	0x8b: settings("WallClockTime"),
	0xf0: settings("ControlNet"),
	0xf1: settings("ControlNet Keeper"),
	0xf2: settings("ControlNet Scheduling"),
	0xf3: settings("Connection Configuration",
		service{code: 0x4b, name: "Kick_Timer", action: configure}, service{code: 0x4c, name: "Open_Connection", action: connect},
		service{code: 0x4d, name: "Close_Connection", action: connect}, service{code: 0x4e, name: "Stop_Connection", action: control},
		service{code: 0x4f, name: "Change_Start", action: configure}, service{code: 0x50, name: "Get_Status", action: read},
		service{code: 0x51, name: "Change_Complete", action: configure}, service{code: 0x52, name: "Audit_Changes", action: configure}),
	0xf4: {name: "Port", get: browse, set: configure},
	classTCPIP: {name: "TCP/IP Interface", get: identify, set: configure, services: []service{
		{code: 0x0e, name: "Get_Attribute_Single", action: identify, data: dataHost},
		{code: 0x4c, name: "Get_And_Clear", action: configure},
	}},
	0xf6:  {name: "Ethernet Link", get: identify, set: configure, services: []service{{code: 0x4c, name: "Get_And_Clear", action: configure}}},
	0x109: settings("LLDP Management"),
	0x10a: {name: "LLDP Data Table", get: browse, set: configure},
}

// classOf gives the row of a class.
func classOf(code uint32) *class {
	if c := classes[code]; c != nil {
		return c
	}
	return &unknownClass
}

// title names a class in an object's name.
func (c *class) title(code uint32) string {
	if c.name != "" {
		return c.name
	}
	return fmt.Sprintf("class 0x%02X", code)
}

// words chooses between the short and the long way to name the parts of an object: long where the class has no name.
func (c *class) words(short, long string) string {
	if c.name != "" {
		return short
	}
	return long
}
