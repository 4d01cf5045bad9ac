package identity

// ActKind names something consequential that was done about who may do what.
type ActKind string

// The acts.
const (
	ActCreateKey        ActKind = "create key"
	ActRenameKey        ActKind = "rename key"
	ActRevokeKey        ActKind = "revoke key"
	ActCreateTeam       ActKind = "create team"
	ActRenameTeam       ActKind = "rename team"
	ActChangeRole       ActKind = "change role"
	ActRemoveMember     ActKind = "remove member"
	ActInvite           ActKind = "invite"
	ActRevokeInvitation ActKind = "revoke invitation"
	ActAccept           ActKind = "accept invitation"
	ActDisableUser      ActKind = "disable user"
	ActEnableUser       ActKind = "enable user"
	ActMakeOperator     ActKind = "make operator"
	ActUnmakeOperator   ActKind = "unmake operator"
	ActChangeProfile    ActKind = "change profile"
	ActChangePassword   ActKind = "change password"
	ActMintLink         ActKind = "mint sign-in link"
	ActSignIn           ActKind = "sign in"
	ActSignOut          ActKind = "sign out"
	ActApproveDevice    ActKind = "approve device"
	ActDenyDevice       ActKind = "deny device"
	ActIssueDeviceKey   ActKind = "issue device key"
	ActCreateAgent      ActKind = "create agent"
	ActChangeAgent      ActKind = "change agent"
	ActDeleteAgent      ActKind = "delete agent"
	ActChangeDefaults   ActKind = "change team's defaults"
)

// did is told of every consequential act once it is stored. It is the one place that makes the act
// take effect on every server, and the one to keep a record of acts from.
func (s *Service) did(actor Actor, kind ActKind, subject string, more ...any) {
	s.tell()
	s.cfg.Log.Info(string(kind), append([]any{"actor", actor.UID, "team_uid", actor.TeamUID, "subject", subject}, more...)...)
}

// Did is did for those who keep what credentials stand for elsewhere: the agents of teams.
func (s *Service) Did(actor Actor, kind ActKind, subject string) { s.did(actor, kind, subject) }

// tell makes every server read credentials again.
func (s *Service) tell() {
	s.Forget()
	if s.cfg.Changed != nil {
		s.cfg.Changed()
	}
}

// Forget drops what is remembered of credentials, so that the next request reads them again. It is
// called when any server has changed what they may do.
func (s *Service) Forget() { s.cache.forget() }
