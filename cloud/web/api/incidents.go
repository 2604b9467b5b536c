package api

import (
	"cmp"
	"context"
	"slices"

	"connectrpc.com/connect"

	"github.com/spanwatch/spanwatch/cloud/incident"
	"github.com/spanwatch/spanwatch/cloud/store"
	pb "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

type incidents struct{ store store.Reader }

func (s incidents) ListIncidents(ctx context.Context, req *connect.Request[pb.ListIncidentsRequest]) (*connect.Response[pb.ListIncidentsResponse], error) {
	limit := bounded(req.Msg.Limit, 200, 1000)
	found, err := s.store.Incidents(ctx, store.IncidentFilter{
		Site: req.Msg.Site, Severity: req.Msg.Severity, Status: req.Msg.Status, Product: req.Msg.Product,
		Search: req.Msg.Search, Limit: limit + 1,
	})
	if err != nil {
		return nil, err
	}
	res := &pb.ListIncidentsResponse{More: len(found) > limit}
	for _, i := range found[:min(len(found), limit)] {
		res.Incidents = append(res.Incidents, incidentMessage(i))
	}
	return connect.NewResponse(res), nil
}

func (s incidents) GetIncident(ctx context.Context, req *connect.Request[pb.GetIncidentRequest]) (*connect.Response[pb.GetIncidentResponse], error) {
	i, err := s.survivor(ctx, req.Msg.Id)
	if err != nil {
		return nil, missing(err, "there is no incident %d", req.Msg.Id)
	}
	alerts, err := s.store.Alerts(ctx, store.AlertFilter{Site: i.Site, Incident: i.ID})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(alerts, func(a, b store.Alert) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	worst := slices.SortedFunc(slices.Values(alerts), incident.Worse)

	g := involve(alerts, worst)
	if err := g.name(ctx, s.store, i.Site); err != nil {
		return nil, err
	}
	if err := g.connect(ctx, s.store, i.Site, alerts); err != nil {
		return nil, err
	}
	g.place()

	res := &pb.GetIncidentResponse{
		Incident:           incidentMessage(i),
		Alerts:             incidentAlerts(alerts, i.Reasons),
		Nodes:              g.nodes,
		Edges:              g.edges,
		HiddenNodes:        uint32(g.hidden),
		Impacted:           assetMessages(g.impacted),
		Reach:              assetMessages(g.reach),
		RecommendedActions: recommended(worst),
	}
	return connect.NewResponse(res), nil
}

// survivor gives the incident under id, or the one that took it over. Survivors have lower numbers, so this ends.
func (s incidents) survivor(ctx context.Context, id int64) (store.Incident, error) {
	i, err := s.store.Incident(ctx, id)
	for err == nil && i.MergedInto != 0 && i.MergedInto < i.ID {
		i, err = s.store.Incident(ctx, i.MergedInto)
	}
	return i, err
}

// recommended merges what alerts recommend, in the order in which they are given.
func recommended(alerts []store.Alert) []*pb.RecommendedAction {
	var all []*pb.RecommendedAction
	byText := make(map[string]*pb.RecommendedAction)
	for _, a := range alerts {
		for _, text := range a.RecommendedActions {
			r := byText[text]
			if r == nil {
				r = &pb.RecommendedAction{Text: text}
				byText[text] = r
				all = append(all, r)
			}
			r.Alerts = append(r.Alerts, a.ID)
		}
	}
	return all
}
