package authn

// AwaitFetch returns when no fetch is under way.
func (v *Verifier) AwaitFetch() {
	v.keys.mu.Lock()
	flight := v.keys.flight
	v.keys.mu.Unlock()
	if flight != nil {
		<-flight
	}
}

// SoundEd25519 is for the points that no signature can be made for.
var SoundEd25519 = soundEd25519
