package schedule

// Wake makes a service's scheduler look at once: for tests that set its clock.
func Wake(s *Service) { s.wake() }
