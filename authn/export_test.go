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
