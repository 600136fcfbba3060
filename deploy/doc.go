// Package deploy holds the tests of what runs Latchkey elsewhere: the Kubernetes manifests, the
// Compose file and the systemd unit. Package image makes the container image.
package deploy
