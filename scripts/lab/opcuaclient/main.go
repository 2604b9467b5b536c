// Opcuaclient is every OPC UA client of the lab: the historian, which subscribes and reads, and the
// attacking laptop, which looks around and writes.
//
// It owns one session and speaks to the one address it is given. Everything but the historian's
// polling ends by itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

const usage = `usage: opcuaclient historian ADDRESS NODE...
       opcuaclient browse    ADDRESS              endpoints, then everything below Root/Objects
       opcuaclient write     ADDRESS NODE=NUMBER...`

var commands = map[string]func(ctx context.Context, address string, args []string) error{
	"historian": historian,
	"browse":    browse,
	"write":     write,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 3 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if err := commands[os.Args[1]](ctx, os.Args[2], os.Args[3:]); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "opcuaclient:", err)
		os.Exit(1)
	}
}

func url(address string) string { return "opc.tcp://" + address + ":4840" }

func connect(ctx context.Context, address, application string) (*opcua.Client, error) {
	host := os.Getenv("LAB_HOST") // all hosts of the lab share the machine's own name
	c, err := opcua.NewClient(url(address),
		opcua.SecurityMode(ua.MessageSecurityModeNone),
		opcua.ApplicationName(application),
		opcua.ApplicationURI("urn:"+host+":"+strings.ReplaceAll(strings.ToLower(application), " ", "-")),
		opcua.SessionName(application),
		opcua.AutoReconnect(false))
	if err != nil {
		return nil, err
	}
	return c, c.Connect(ctx)
}

// disconnect closes the session also when ctx has ended, as a client that is shut down does.
func disconnect(ctx context.Context, c *opcua.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	c.Close(ctx)
}

// historian reads the server's build information once, subscribes to every node and reads all of
// them every five seconds, as products do that do not trust their subscription.
func historian(ctx context.Context, address string, nodes []string) error {
	c, err := connect(ctx, address, "Waterworks Historian")
	if err != nil {
		return err
	}
	defer disconnect(ctx, c)
	buildInfo := ua.NewNumericNodeID(0, id.Server_ServerStatus_BuildInfo)
	if _, err := c.Read(ctx, &ua.ReadRequest{NodesToRead: []*ua.ReadValueID{{NodeID: buildInfo, AttributeID: ua.AttributeIDValue}}}); err != nil {
		return fmt.Errorf("build information: %w", err)
	}

	var rows []*ua.ReadValueID
	var items []*ua.MonitoredItemCreateRequest
	for i, text := range nodes {
		node, err := ua.ParseNodeID(text)
		if err != nil {
			return err
		}
		rows = append(rows, &ua.ReadValueID{NodeID: node, AttributeID: ua.AttributeIDValue})
		items = append(items, opcua.NewMonitoredItemCreateRequestWithDefaults(node, ua.AttributeIDValue, uint32(i+1)))
	}
	notices := make(chan *opcua.PublishNotificationData, 16)
	sub, err := c.Subscribe(ctx, &opcua.SubscriptionParameters{Interval: time.Second}, notices)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	defer sub.Cancel(context.WithoutCancel(ctx))
	if _, err := sub.Monitor(ctx, ua.TimestampsToReturnBoth, items...); err != nil {
		return fmt.Errorf("monitor: %w", err)
	}

	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-notices:
			if n.Error != nil {
				return fmt.Errorf("notification: %w", n.Error)
			}
		case <-tick.C:
			if _, err := c.Read(ctx, &ua.ReadRequest{NodesToRead: rows, TimestampsToReturn: ua.TimestampsToReturnBoth}); err != nil {
				return fmt.Errorf("read: %w", err)
			}
		}
	}
}

// maxBrowsed bounds the walk: the server's own namespace has thousands of nodes.
const maxBrowsed = 60

func browse(ctx context.Context, address string, _ []string) error {
	endpoints, err := opcua.GetEndpoints(ctx, url(address))
	if err != nil {
		return fmt.Errorf("endpoints: %w", err)
	}
	for _, e := range endpoints {
		fmt.Println(e.EndpointURL, e.SecurityPolicyURI, e.Server.ApplicationURI)
	}
	c, err := connect(ctx, address, "UaExpert")
	if err != nil {
		return err
	}
	defer disconnect(ctx, c)

	queue := []*ua.NodeID{ua.NewNumericNodeID(0, id.RootFolder)}
	seen := map[string]bool{}
	for len(queue) > 0 && len(seen) < maxBrowsed {
		node := queue[0]
		queue = queue[1:]
		if seen[node.String()] {
			continue
		}
		seen[node.String()] = true
		answer, err := c.Browse(ctx, &ua.BrowseRequest{
			View: &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)},
			NodesToBrowse: []*ua.BrowseDescription{{
				NodeID:          node,
				BrowseDirection: ua.BrowseDirectionForward,
				ReferenceTypeID: ua.NewNumericNodeID(0, id.HierarchicalReferences),
				IncludeSubtypes: true,
				ResultMask:      uint32(ua.BrowseResultMaskAll),
			}},
		})
		if err != nil {
			return fmt.Errorf("browse %s: %w", node, err)
		}
		for _, r := range answer.Results[0].References {
			fmt.Println(node, "→", r.NodeID.NodeID, r.BrowseName.Name)
			queue = append(queue, r.NodeID.NodeID)
		}
	}
	return nil
}

func write(ctx context.Context, address string, args []string) error {
	c, err := connect(ctx, address, "UaExpert")
	if err != nil {
		return err
	}
	defer disconnect(ctx, c)
	for _, arg := range args {
		node, number, err := parseWrite(arg)
		if err != nil {
			return err
		}
		answer, err := c.Write(ctx, &ua.WriteRequest{NodesToWrite: []*ua.WriteValue{{
			NodeID:      node,
			AttributeID: ua.AttributeIDValue,
			Value:       &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(number)},
		}}})
		if err != nil {
			return fmt.Errorf("write %q: %w", arg, err)
		}
		fmt.Println(arg, answer.Results)
	}
	return nil
}

// parseWrite splits NODE=NUMBER at the last equals sign, since node ids have some.
func parseWrite(arg string) (*ua.NodeID, float64, error) {
	at := strings.LastIndexByte(arg, '=')
	if at < 0 {
		return nil, 0, fmt.Errorf("write %q is not NODE=NUMBER", arg)
	}
	node, err := ua.ParseNodeID(arg[:at])
	number, err2 := strconv.ParseFloat(arg[at+1:], 64)
	if err := errors.Join(err, err2); err != nil {
		return nil, 0, fmt.Errorf("write %q: %w", arg, err)
	}
	return node, number, nil
}
