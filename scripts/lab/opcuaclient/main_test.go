package main

import "testing"

func TestParseWrite(t *testing.T) {
	node, number, err := parseWrite("ns=1;s=HighLift.Setpoint=5.9")
	if err != nil || node.String() != "ns=1;s=HighLift.Setpoint" || number != 5.9 {
		t.Errorf("got %v %v %v", node, number, err)
	}
	for _, bad := range []string{"", "no number", "ns=1;s=A=high", "ns=x;i=1=2"} {
		if node, number, err := parseWrite(bad); err == nil {
			t.Errorf("%q was read as %v, %v", bad, node, number)
		}
	}
}
