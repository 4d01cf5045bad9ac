import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, must } from "@/api/client";
import { useMay } from "@/shell/me";
import { Button } from "@/ui/button";
import { Choose } from "@/ui/choose";
import { Dialog } from "@/ui/dialog";
import { Field, Input, Select, TextArea } from "@/ui/field";
import { kinds, type Part, type Secret, type SecretType, secrets } from "./queries";

/** SecretForm stores a secret, or another value for one. What is typed is nowhere but in this form. */
export function SecretForm({ secret, close }: { secret?: Secret; close: () => void }) {
  const queries = useQueryClient();
  const may = useMay();
  const [name, setName] = useState(secret?.name ?? "");
  const [type, setType] = useState<SecretType>(secret?.type ?? "RAW_VALUE");
  const [description, setDescription] = useState(secret?.description ?? "");
  const [team, setTeam] = useState(may.administer);
  const [value, setValue] = useState<Partial<Record<Part, string>>>({});
  const kind = kinds[type];
  const given = Object.fromEntries(kind.parts.flatMap(([part]) => (value[part] ? [[part, value[part]]] : [])));
  const save = useMutation({
    mutationFn: () =>
      secret
        ? must(api.PUT("/secrets/{secretUid}", { params: { path: { secretUid: secret.uid } }, body: { description, ...(Object.keys(given).length && { value: given }) } }))
        : must(api.POST("/secrets", { body: { name: name.trim(), type, value: given, team, ...(description && { description }) } })),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: secrets.queryKey });
      close();
    },
  });
  const whole = kind.parts.every(([part, , how]) => how?.optional || value[part]);
  const ready = secret ? whole || Object.keys(given).length === 0 : name.trim() !== "" && whole;
  return (
    <Dialog
      side
      open
      onClose={close}
      title={secret ? `Change ${secret.name}` : "New secret"}
      footer={
        <>
          <Button look="quiet" onClick={close}>
            Cancel
          </Button>
          <Button look="primary" busy={save.isPending} disabled={!ready} onClick={() => save.mutate()}>
            {secret ? "Save" : "Store"}
          </Button>
        </>
      }
    >
      <form autoComplete="off" className="space-y-4" onSubmit={(e) => e.preventDefault()}>
        {!secret && (
          <>
            <Field label="Type" hint={kind.hint}>
              {(id, hint) => (
                <Select id={id} aria-describedby={hint} value={type} onChange={(e) => setType(e.target.value as SecretType)}>
                  {Object.entries(kinds).map(([key, { label }]) => (
                    <option key={key} value={key}>
                      {label}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
            <Field label="Name" hint="Letters, digits and _">
              {(id, hint) => <Input id={id} aria-describedby={hint} autoFocus spellCheck={false} className="font-mono" maxLength={256} value={name} onChange={(e) => setName(e.target.value)} />}
            </Field>
          </>
        )}
        {kind.parts.map(([part, label, how]) => (
          <Field key={part} label={label} hint={secret ? "Empty keeps the present one" : how?.optional ? "If there is one" : undefined}>
            {(id, hint) => {
              const common = { id, "aria-describedby": hint, spellCheck: false, className: "font-mono", value: value[part] ?? "" };
              return how?.lines ? (
                <TextArea {...common} rows={4} onChange={(e) => setValue({ ...value, [part]: e.target.value })} />
              ) : (
                <Input {...common} type={how?.open ? "text" : "password"} autoComplete="new-password" onChange={(e) => setValue({ ...value, [part]: e.target.value })} />
              );
            }}
          </Field>
        ))}
        <Field label="Description">{(id) => <Input id={id} maxLength={240} value={description} onChange={(e) => setDescription(e.target.value)} />}</Field>
        {!secret && may.administer && (
          <Choose
            label="Whose"
            value={team ? "team" : "mine"}
            options={[
              ["team", "The team's"],
              ["mine", "Mine, for runs I start"],
            ]}
            change={(whose) => setTeam(whose === "team")}
          />
        )}
        {save.error && (
          <p role="alert" className="text-bad">
            {save.error.message}
          </p>
        )}
      </form>
    </Dialog>
  );
}
