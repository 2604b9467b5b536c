package s7

import (
	"encoding/binary"
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
)

// Identifiers that every controller of this family has.
const (
	areaPlusDB      = 0x8a0e     // upper half of the identifiers of data blocks
	objectProgram   = 3          // the program with all its blocks
	objectCPU       = 0x32       // what a controller is called
	objectExecution = 0x34       // the unit that executes the program
	objectSessions  = 0x11d      // the container in which a client creates its session
	dynamicObjects  = 0x70000000 // objects that clients created for themselves begin here …
	blockObjects    = 0x80000000 // … and end before blocks of the program
	classSubscribed = 1001       // class of subscriptions
)

// Attributes of objects.
const (
	attrName         = 233
	attrChallenge    = 303  // what a session must be answered with at its start
	attrResponse     = 304  // that answer
	attrReferences   = 1048 // which variables a subscription is about
	attrCreditLimit  = 1053 // how many notifications a subscription may still send
	attrProtection   = 1842 // level of access that the session has
	attrLegitimate   = 1846 // password, in the form that the session agreed on
	attrOperating    = 2167 // requested operating state
	attrNameplate    = 3753 // identification and maintenance data
	attrBody         = 2533 // a block's text
	attrInterface    = 2544
	attrInitial      = 2548 // initial values of a data block
	attrCode         = 2580 // a block's machine code
	attrNetworkText  = 2584 // comments of a block's networks
	attrNetworkTitle = 2585
	attrDebug        = 2589
)

// contentAttributes are those that together are a block: who reads them takes the program out of the controller.
var contentAttributes = map[uint32]bool{
	attrBody: true, attrInterface: true, attrInitial: true, attrCode: true, attrNetworkText: true,
	attrNetworkTitle: true, attrDebug: true,
}

// wellKnown names the objects that every controller has.
var wellKnown = map[uint32]string{
	1:               "ASRoot",
	2:               "HWConfiguration",
	objectProgram:   "PLCProgram",
	4:               "Folders",
	5:               "Logs",
	7:               "TisJobContainer",
	8:               "AlarmSubsystem",
	9:               "ASLog",
	11:              "TisSubsystem",
	12:              "CommContainer",
	14:              "ProgramCyclePI",
	0x31:            "CPUProxy",
	objectCPU:       "CPUCommon",
	objectExecution: "CPUexecUnit",
	0xc9:            "ObjectRoot",
	0xd3:            "NewObject",
	objectSessions:  "ServerSessionContainer",
	0x120:           "NullServerSession",
	0x219:           "OMSTypeInfoContainer",
	0x8a110000:      "Constants",
}

// plusBlocks gives the kind of a block by the upper half of its identifier: 0x8000 and the kind's class.
var plusBlocks = map[uint16]string{
	areaPlusDB: "DB",
	0x8a12:     "FB",
	0x8a13:     "FC",
	0x8a32:     "OB",
	0x8f5c:     "UDT",
}

// plusObject names an object by its identifier: a block by kind and number, an object that all controllers have by its
// name, any other by its number.
func (n *names) plusObject(id uint32) protocols.Object {
	switch {
	case id>>16 == areaPlusDB:
		return protocols.Object{Area: "DB", Name: n.variable(&item{area: areaDB, db: uint16(id)}, false)}
	case plusBlocks[uint16(id>>16)] != "":
		return n.block(id)
	case wellKnown[id] != "":
		return protocols.Object{Area: "object", Name: wellKnown[id]}
	}
	if code, ok := symbolAreas[uint16(id)]; ok && id>>16 == 0 {
		return protocols.Object{Area: areaName(code), Name: areaName(code)}
	}
	return protocols.Object{Area: "object", Name: n.object(id)}
}

// block names a block of the program.
func (n *names) block(id uint32) protocols.Object {
	if kind := plusBlocks[uint16(id>>16)]; kind != "" {
		return protocols.Object{Area: "block", Name: n.numberedBlock(kind, id)}
	}
	return protocols.Object{Area: "block", Name: n.object(id)}
}

// numberedBlock gives "OB1" for a block that is named by its kind and the lower half of its identifier.
func (n *names) numberedBlock(kind string, id uint32) string {
	key := binary.BigEndian.AppendUint32(append(n.scratch[:0], 'k'), id)
	if text, ok := n.lookup(key); ok {
		return text
	}
	return n.keep(key, kind+strconv.Itoa(int(id&0xffff)))
}

// ownObject reports whether an object is the client's session, or something that it created there for itself.
func ownObject(id, session uint32) bool {
	return id == session || (id >= dynamicObjects && id < blockObjects)
}
