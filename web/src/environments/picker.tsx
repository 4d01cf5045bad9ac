import { useQuery } from "@tanstack/react-query";
import { Field, Select } from "@/ui/field";
import { environments } from "./queries";

/** EnvironmentPicker chooses what a run works in; "" is an empty workspace. */
export function EnvironmentPicker({ value, change }: { value: string; change: (uid: string) => void }) {
  const known = useQuery(environments).data?.environments ?? [];
  return (
    <Field label="Environment">
      {(id) => (
        <Select id={id} value={value} onChange={(e) => change(e.target.value)}>
          <option value="">None, an empty workspace</option>
          {known.map((e) => (
            <option key={e.uid} value={e.uid}>
              {e.config.name ?? e.uid}
            </option>
          ))}
        </Select>
      )}
    </Field>
  );
}
