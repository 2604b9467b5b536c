package api

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"connectrpc.com/connect"

	"github.com/spanwatch/spanwatch/cloud/store"
	pb "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

const (
	maxEdges  = 500 // of one device on its page
	maxAlerts = 200
)

type inventory struct{ store store.Reader }

func (s inventory) ListSites(ctx context.Context, _ *connect.Request[pb.ListSitesRequest]) (*connect.Response[pb.ListSitesResponse], error) {
	sites, err := s.store.Sites(ctx)
	if err != nil {
		return nil, err
	}
	res := &pb.ListSitesResponse{}
	for _, x := range sites {
		res.Sites = append(res.Sites, &pb.Site{
			Name: x.Name, Location: x.Location, Description: x.Description, Devices: uint32(x.Devices), Sensors: uint32(x.Sensors),
		})
	}
	return connect.NewResponse(res), nil
}

func (s inventory) ListDevices(ctx context.Context, req *connect.Request[pb.ListDevicesRequest]) (*connect.Response[pb.ListDevicesResponse], error) {
	limit := bounded(req.Msg.Limit, 1000, 10000)
	found, err := s.store.Devices(ctx, store.DeviceFilter{
		Site: req.Msg.Site, Type: req.Msg.Type, Category: req.Msg.Category, Search: req.Msg.Search, Limit: limit + 1,
	})
	if err != nil {
		return nil, err
	}
	res := &pb.ListDevicesResponse{More: len(found) > limit}
	for _, d := range found[:min(len(found), limit)] {
		d.Facts, d.Modules = nil, nil
		res.Devices = append(res.Devices, deviceMessage(d))
	}
	return connect.NewResponse(res), nil
}

func (s inventory) GetDevice(ctx context.Context, req *connect.Request[pb.GetDeviceRequest]) (*connect.Response[pb.GetDeviceResponse], error) {
	site, id := req.Msg.Site, req.Msg.Id
	d, err := s.store.Device(ctx, site, id)
	if err != nil {
		return nil, missing(err, "there is no device %s at site %s", id, site)
	}
	res := &pb.GetDeviceResponse{Device: deviceMessage(d), Sensor: d.Sensor}
	if err := s.family(ctx, d, res); err != nil {
		return nil, err
	}
	if err := s.edges(ctx, d, res); err != nil {
		return nil, err
	}
	alerts, err := s.store.Alerts(ctx, store.AlertFilter{Site: site, Device: id, Limit: maxAlerts})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(alerts, func(a, b store.Alert) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.ID, b.ID))
	})
	res.Alerts = incidentAlerts(alerts, nil)
	return connect.NewResponse(res), nil
}

// family adds what the device is a part of, and what is a part of it.
func (s inventory) family(ctx context.Context, d store.Device, res *pb.GetDeviceResponse) error {
	if d.Parent != "" {
		parent, err := s.summary(ctx, d.Site, d.Parent, "")
		if err != nil {
			return err
		}
		res.Parent = parent
	}
	all, err := s.store.Devices(ctx, store.DeviceFilter{Site: d.Site})
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Parent == d.ID {
			res.Children = append(res.Children, deviceSummary(other))
		}
	}
	return nil
}

// edges adds what the device spoke with, the most recent first.
func (s inventory) edges(ctx context.Context, d store.Device, res *pb.GetDeviceResponse) error {
	all, err := s.store.Edges(ctx, d.Site)
	if err != nil {
		return err
	}
	own := slices.DeleteFunc(all, func(e store.Edge) bool { return e.Client != d.ID && e.Server != d.ID })
	slices.SortStableFunc(own, func(a, b store.Edge) int { return b.LastSeen.Compare(a.LastSeen) })
	res.MoreEdges = len(own) > maxEdges
	peers := make(map[[2]string]*pb.DeviceSummary)
	for _, e := range own[:min(len(own), maxEdges)] {
		outgoing := e.Client == d.ID
		peer := [2]string{e.Server, e.ServerIP}
		if !outgoing {
			peer = [2]string{e.Client, e.ClientIP}
		}
		if peers[peer] == nil {
			if peers[peer], err = s.summary(ctx, d.Site, peer[0], peer[1]); err != nil {
				return err
			}
		}
		res.Edges = append(res.Edges, &pb.DeviceEdge{Edge: edgeMessage(e), Peer: peers[peer], Outgoing: outgoing})
	}
	return nil
}

// summary gives the name plate of a device; what the inventory does not know is called by its address.
func (s inventory) summary(ctx context.Context, site, id, ip string) (*pb.DeviceSummary, error) {
	if id != "" {
		d, err := s.store.Device(ctx, site, id)
		if err == nil {
			return deviceSummary(d), nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	return &pb.DeviceSummary{Id: id, Ip: ip, Name: cmp.Or(ip, id)}, nil
}
