package server

import (
	"net/http"

	"github.com/cadrehq/cadre/internal/identity"
)

// Identity is the server's own, for tests that need more keys than the first.
func (s *Server) Identity() *identity.Service { return s.identity }

// Handler is what the server serves, for tests that serve it in other ways.
func (s *Server) Handler() http.Handler { return s.api }
