import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, must } from "@/api/client";
import { whoami } from "@/shell/me";
import { Button } from "@/ui/button";
import { Field, Input } from "@/ui/field";
import { toast } from "@/ui/toast";
import { Section } from "./section";

export function Account() {
  const me = useQuery(whoami).data;
  if (!me || me.type !== "user") return null;
  return <Name key={me.uid} name={me.display_name ?? ""} email={me.email ?? ""} />;
}

function Name({ name: before, email }: { name: string; email: string }) {
  const queries = useQueryClient();
  const [name, setName] = useState(before);
  const save = useMutation({
    mutationFn: () => must(api.PUT("/me", { body: { name: name.trim() } })),
    onSuccess: () => {
      toast.ok("Saved");
      void queries.invalidateQueries({ queryKey: whoami.queryKey });
    },
  });
  return (
    <Section title="Account" hint={email}>
      <form
        className="flex max-w-md items-end gap-2"
        onSubmit={(e) => {
          e.preventDefault();
          save.mutate();
        }}
      >
        <div className="flex-1">
          <Field label="Name" error={save.error?.message}>
            {(id, hint) => <Input id={id} aria-describedby={hint} autoComplete="name" maxLength={100} value={name} onChange={(e) => setName(e.target.value)} />}
          </Field>
        </div>
        <Button type="submit" busy={save.isPending} disabled={!name.trim() || name.trim() === before}>
          Save
        </Button>
      </form>
    </Section>
  );
}

/** Password sets one. Whoever has none leaves the present one empty. */
export function Password() {
  const me = useQuery(whoami).data;
  const queries = useQueryClient();
  const [present, setPresent] = useState("");
  const [password, setPassword] = useState("");
  const set = useMutation({
    mutationFn: () => must(api.PUT("/me/password", { body: { password, ...(present && { present }) } })),
    onSuccess: () => {
      toast.ok("Your password is set. Other browsers were signed out.");
      setPresent("");
      setPassword("");
      void queries.invalidateQueries({ queryKey: ["sign-ins"] });
    },
  });
  if (me?.type !== "user") return null;
  return (
    <Section title="Password" hint="Setting it signs out every other browser">
      <form
        className="max-w-md space-y-4"
        onSubmit={(e) => {
          e.preventDefault();
          set.mutate();
        }}
      >
        <input type="text" name="username" autoComplete="username" value={me.email ?? ""} readOnly hidden />
        <Field label="Present password" hint="Empty if you have none yet">
          {(id, hint) => <Input id={id} aria-describedby={hint} type="password" autoComplete="current-password" maxLength={256} value={present} onChange={(e) => setPresent(e.target.value)} />}
        </Field>
        <Field label="New password" hint="12 characters or more" error={set.error?.message}>
          {(id, hint) => <Input id={id} aria-describedby={hint} type="password" autoComplete="new-password" minLength={12} maxLength={256} value={password} onChange={(e) => setPassword(e.target.value)} />}
        </Field>
        <Button type="submit" busy={set.isPending} disabled={[...password].length < 12}>
          Set password
        </Button>
      </form>
    </Section>
  );
}
