package impltest

// Paths of the contract.
const (
	RegisterPath            = "/api/users/"
	CompletePath            = "/api/users/complete/"
	LoginPath               = "/api/users/login/token/"
	MePath                  = "/api/users/me/"
	LogoutPath              = "/api/users/logout/"
	SessionsPath            = "/api/users/me/sessions/"
	RevokePath              = "/api/oauth/revoke/"
	RequestLoginCodePath    = "/api/users/login/code/"
	ContinueLoginPath       = "/api/users/login/continue/"
	RequestResetPath        = "/api/users/password-resets/"
	ConfirmResetPath        = "/api/users/password-resets/confirm/"
	RequestVerificationPath = "/api/users/me/email/verification/"
	ConfirmVerificationPath = "/api/users/me/email/verification/confirm/"
	RequestEmailChangePath  = "/api/users/me/email/"
	ConfirmEmailChangePath  = "/api/users/me/email/confirm/"
	KeysPath                = "/.well-known/jwks.json"
	MetadataPath            = "/.well-known/oauth-authorization-server"
	PasswordPath            = "/api/users/me/password/"
	ReauthenticationPath    = "/api/users/me/reauthentication/"
	EventsPath              = "/api/users/me/events/"
	UsersPath               = "/api/users/"
	InvitationsPath         = "/api/users/invitations/"
	AllEventsPath           = "/api/events/"
)
