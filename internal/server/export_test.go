package server

import "github.com/cadrehq/cadre/internal/identity"

// Identity is the server's own, for tests that need more keys than the first.
func (s *Server) Identity() *identity.Service { return s.identity }
