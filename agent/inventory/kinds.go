package inventory

// The device types.
const (
	TypePLC         = "plc"
	TypeHMI         = "hmi"
	TypeEngineering = "engineering-station"
	TypeSCADAServer = "scada-server"
	TypeHistorian   = "historian"
	TypeGateway     = "gateway"
	TypeDrive       = "drive"
	TypeIO          = "io"
	TypeSafety      = "safety"
	TypeNetwork     = "network"
	TypeWorkstation = "workstation"
	TypeServer      = "server"
	TypeCamera      = "camera"
	TypeUnknown     = "unknown"
)

// The categories of devices.
const (
	CategoryOT       = "OT"
	CategoryEndpoint = "Endpoint"
	CategoryNetwork  = "Network device"
	CategoryIoT      = "IoT"
	CategoryUnknown  = "Unknown"
)

// kind is what follows from a device's type.
type kind struct {
	category, purdue, criticality string
	asks                          bool // the role is played as a client: behaviour must confirm what one message says
}

var kinds = map[string]kind{
	TypePLC:         {CategoryOT, "1", "high", false},
	TypeSafety:      {CategoryOT, "1", "high", false},
	TypeDrive:       {CategoryOT, "1", "high", false},
	TypeIO:          {CategoryOT, "1", "medium", false},
	TypeGateway:     {CategoryOT, "1", "high", false},
	TypeHMI:         {CategoryOT, "2", "medium", true},
	TypeSCADAServer: {CategoryOT, "2", "high", true},
	TypeEngineering: {CategoryOT, "2", "medium", true},
	TypeHistorian:   {CategoryOT, "3", "medium", true},
	TypeNetwork:     {CategoryNetwork, "", "medium", false},
	TypeWorkstation: {CategoryEndpoint, "4", "low", false},
	TypeServer:      {CategoryEndpoint, "4", "low", false},
	TypeCamera:      {CategoryIoT, "", "low", false},
	TypeUnknown:     {CategoryUnknown, "", "low", false},
}
