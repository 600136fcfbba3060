package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yannh/kubeconform/pkg/validator"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The schemas of Kubernetes come from its own module. Only its file swagger.json is read.
const (
	kubernetesModule = "k8s.io/kubernetes@v1.37.2"
	kubernetesSum    = "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE="
)

// manifests builds a folder of kustomize as an operator does, who has put the secrets beside it.
func manifests(t *testing.T, folder string) resmap.ResMap {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("kubernetes")); err != nil {
		t.Fatal(err)
	}
	for name, content := range secrets {
		if err := os.WriteFile(filepath.Join(dir, "example", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(dir, folder))
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// one returns the only manifest of a kind.
func one[T any](t *testing.T, built resmap.ResMap, kind string) T {
	t.Helper()
	var found []T
	for _, r := range built.Resources() {
		if r.GetKind() == kind {
			var v T
			if err := yaml.UnmarshalStrict([]byte(r.MustYaml()), &v); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		t.Fatalf("there are %d of %s", len(found), kind)
	}
	return found[0]
}

// TestManifestsAreValid: kubeconform takes each manifest, under the schemas of Kubernetes without
// unknown members. It doesn't take manifests with a mistake.
func TestManifestsAreValid(t *testing.T) {
	t.Parallel()
	v, err := validator.New([]string{schemas(t) + "/{{ .ResourceKind }}{{ .KindSuffix }}.json"}, validator.Opts{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	for folder, count := range map[string]int{"base": 6, "example": 8} {
		text, err := manifests(t, folder).AsYaml()
		if err != nil {
			t.Fatal(err)
		}
		results := v.Validate(folder, io.NopCloser(bytes.NewReader(text)))
		if len(results) != count {
			t.Errorf("%s has %d manifests, want %d", folder, len(results), count)
		}
		for _, r := range results {
			if r.Status != validator.Valid {
				t.Errorf("%s: %v\n%s", folder, r.Err, r.Resource.Bytes)
			}
		}
	}
	for _, broken := range []string{
		"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: http}]}",
		"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80, target: 1}]}",
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 3}",
		"apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: a}",
	} {
		for _, r := range v.Validate("broken", io.NopCloser(strings.NewReader(broken))) {
			if r.Status == validator.Valid {
				t.Errorf("this is valid:\n%s", broken)
			}
		}
	}
}

// schemas returns a folder with a JSON schema of each kind, made of Kubernetes' own OpenAPI
// document.
func schemas(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", kubernetesModule)
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=auto")
	output, err := cmd.Output()
	var module struct{ Dir, Sum, Error string }
	if err := errors.Join(err, json.Unmarshal(output, &module)); err != nil || module.Sum != kubernetesSum {
		t.Fatalf("%s: %v %s", kubernetesModule, err, output)
	}
	text, err := os.ReadFile(filepath.Join(module.Dir, "api", "openapi-spec", "swagger.json"))
	if err != nil {
		t.Fatal(err)
	}
	var document struct{ Definitions map[string]map[string]any }
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, definition := range document.Definitions {
		closed(name, definition)
	}
	write(t, filepath.Join(dir, "all.json"), map[string]any{"definitions": document.Definitions})
	for name, definition := range document.Definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		for _, kind := range kinds {
			of := func(member string) string { return strings.ToLower(kind.(map[string]any)[member].(string)) }
			group, _, _ := strings.Cut(of("group"), ".")
			if group != "" {
				group += "-"
			}
			file := fmt.Sprintf("%s-%s%s.json", of("kind"), group, of("version"))
			write(t, filepath.Join(dir, file), map[string]any{"$ref": "all.json#/definitions/" + name})
		}
	}
	return dir
}

// closed makes a definition refuse unknown members, and makes two types what kubectl takes.
func closed(name string, definition map[string]any) {
	if _, object := definition["properties"]; object && definition["additionalProperties"] == nil {
		definition["additionalProperties"] = false
	}
	if strings.HasSuffix(name, ".IntOrString") || strings.HasSuffix(name, ".Quantity") {
		delete(definition, "format")
		definition["type"] = []string{"integer", "string"}
	}
}

func write(t *testing.T, path string, value any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPodIsRestricted: the pods fulfil the standard "restricted" of Kubernetes, and the little more
// that it doesn't ask for.
func TestPodIsRestricted(t *testing.T) {
	t.Parallel()
	pod := one[appsv1.Deployment](t, manifests(t, "example"), "Deployment").Spec.Template
	judge, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	verdict := func() policy.AggregateCheckResult {
		return policy.AggregateCheckResults(judge.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
	}
	if v := verdict(); !v.Allowed {
		t.Error(v.ForbiddenDetail())
	}
	container := &pod.Spec.Containers[0]
	if read := container.SecurityContext.ReadOnlyRootFilesystem; read == nil || !*read {
		t.Error("the root can be written to")
	}
	if *pod.Spec.SecurityContext.RunAsUser != 65532 || *pod.Spec.AutomountServiceAccountToken || *pod.Spec.EnableServiceLinks {
		t.Error("the pod runs as another user, or has a token")
	}
	container.SecurityContext.Capabilities = nil
	if verdict().Allowed {
		t.Error("a pod with capabilities is restricted too")
	}
}

// TestManifestsFitTogether: what one manifest names, another has.
func TestManifestsFitTogether(t *testing.T) {
	t.Parallel()
	built := manifests(t, "example")
	deployment := one[appsv1.Deployment](t, built, "Deployment")
	service := one[corev1.Service](t, built, "Service")
	budget := one[policyv1.PodDisruptionBudget](t, built, "PodDisruptionBudget")
	network := one[networkingv1.NetworkPolicy](t, built, "NetworkPolicy")
	configured := one[corev1.ConfigMap](t, built, "ConfigMap")
	secret := one[corev1.Secret](t, built, "Secret")

	if *deployment.Spec.Replicas != 3 {
		t.Errorf("%d replicas", *deployment.Spec.Replicas)
	}
	labels := deployment.Spec.Template.Labels
	for _, selector := range []map[string]string{
		deployment.Spec.Selector.MatchLabels, service.Spec.Selector, budget.Spec.Selector.MatchLabels,
		network.Spec.PodSelector.MatchLabels,
		deployment.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
	} {
		if len(selector) != 1 || selector["app.kubernetes.io/name"] != labels["app.kubernetes.io/name"] {
			t.Errorf("%v doesn't select the pods with %v", selector, labels)
		}
	}
	container := deployment.Spec.Template.Spec.Containers[0]
	ports := map[string]int32{}
	for _, port := range container.Ports {
		ports[port.Name] = port.ContainerPort
	}
	for _, port := range []intstr.IntOrString{
		service.Spec.Ports[0].TargetPort, container.ReadinessProbe.HTTPGet.Port, container.LivenessProbe.HTTPGet.Port,
		container.StartupProbe.HTTPGet.Port, *network.Spec.Ingress[0].Ports[0].Port, *network.Spec.Ingress[1].Ports[0].Port,
	} {
		if ports[port.StrVal] == 0 {
			t.Errorf("there is no port %v", port)
		}
	}
	for setting, port := range map[string]string{"LATCHKEY_ADDR": "http", "LATCHKEY_METRICS_ADDR": "metrics"} {
		if want := fmt.Sprintf(":%d", ports[port]); configured.Data[setting] != want {
			t.Errorf("%s=%s, the port is %s", setting, configured.Data[setting], want)
		}
	}
	volume := deployment.Spec.Template.Spec.Volumes[0].Secret
	if container.EnvFrom[0].ConfigMapRef.Name != configured.Name || volume.SecretName != secret.Name || *volume.DefaultMode != 0o440 {
		t.Errorf("the pod names %s, and %s of mode %o", container.EnvFrom[0].ConfigMapRef.Name, volume.SecretName, *volume.DefaultMode)
	}

	environ, files := configured.Data, map[string]string{}
	for _, variable := range container.Env {
		environ[variable.Name] = variable.Value
	}
	for name, content := range secret.Data {
		files[container.VolumeMounts[0].MountPath+"/"+name] = string(content)
	}
	checkSettings(t, environ, files)
}
