// Package api answers what the collector's pages ask: it turns the store's records into the messages of
// proto/spanwatch/v1/web.proto. It only reads; what it shows was decided elsewhere (severity and level by the sensors,
// which alerts belong together by incident). A service keeps no state between calls and is safe for concurrent use.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"connectrpc.com/connect"

	"github.com/spanwatch/spanwatch/cloud/store"
	"github.com/spanwatch/spanwatch/proto/spanwatch/v1/spanwatchv1connect"
)

// maxRequest bounds a request in bytes: a page asks with a few words.
const maxRequest = 64 << 10

// Register serves the pages' services on mux, each under its own path "/spanwatch.v1.NAME/".
func Register(mux *http.ServeMux, r store.Reader, log *slog.Logger) {
	options := []connect.HandlerOption{connect.WithReadMaxBytes(maxRequest), connect.WithInterceptors(failures(log))}
	mux.Handle(spanwatchv1connect.NewIncidentServiceHandler(incidents{r}, options...))
	mux.Handle(spanwatchv1connect.NewInventoryServiceHandler(inventory{r}, options...))
}

// failures keeps the store's errors out of answers, where they would tell a stranger about the machine, and logs them.
func failures(log *slog.Logger) connect.UnaryInterceptorFunc {
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			res, err := next(ctx, req)
			var known *connect.Error
			switch {
			case err == nil:
				return res, nil
			case errors.As(err, &known):
				return nil, known
			case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
				return nil, connect.NewError(connect.CodeCanceled, errors.New("the request ended before its answer"))
			}
			log.Error("answering a page", "procedure", req.Spec().Procedure, "error", err)
			return nil, connect.NewError(connect.CodeInternal, errors.New("the store could not be read; the collector's log says why"))
		}
	}
}

// missing turns the store's "not found" into an answer that names the thing.
func missing(err error, format string, args ...any) error {
	if errors.Is(err, store.ErrNotFound) {
		return connect.NewError(connect.CodeNotFound, fmt.Errorf(format, args...))
	}
	return err
}

// bounded gives how many records to read for a wanted number: one more than are shown, which tells whether there are
// others.
func bounded(wanted uint32, usual, most int) int {
	if wanted == 0 {
		return usual
	}
	return min(int(wanted), most)
}
