package contract

import "fmt"

// Schema is a schema of the contract for values outside of requests, such as the lines of a file.
type Schema struct{ body Body }

// Schema returns a schema by its name below `components/schemas`.
func (d *Document) Schema(name string, rules Rules) (*Schema, error) {
	ref := d.contract.Components.Schemas[name]
	if ref == nil || ref.Value == nil {
		return nil, fmt.Errorf("contract: there is no schema %s", name)
	}
	return &Schema{Body{MediaType: mediaJSON, Required: true, schema: ref.Value, options: rules.schemaOptions()}}, nil
}

// Check checks a JSON text against the schema, as strictly as the body of a request. It returns the
// violations, sorted by pointer.
func (s *Schema) Check(data []byte) Violations {
	_, found := s.body.read(data)
	return found.Sorted()
}
