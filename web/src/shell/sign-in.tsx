import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { base, Failure, type Problem } from "@/api/client";
import { Button } from "@/ui/button";
import { Field, Input } from "@/ui/field";

/** signIn exchanges an API key for a session of this browser. The key itself is not kept here. */
async function signIn(key: string) {
  const answer = await fetch(`${base}auth/key`, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ key }),
  });
  if (!answer.ok) throw new Failure(answer.status, (await answer.json().catch(() => undefined)) as Partial<Problem> | undefined);
}

/** SignIn covers the page until the server knows who asks again. */
export function SignIn({ done }: { done: () => void }) {
  const [key, setKey] = useState("");
  const enter = useMutation({ mutationFn: () => signIn(key.trim()), onSuccess: done });
  return (
    <div className="fixed inset-0 z-50 flex items-center justify-center bg-ground/95 p-4 backdrop-blur-sm" role="dialog" aria-modal aria-label="Sign in">
      <form
        className="w-full max-w-sm space-y-4 rounded-2xl border bg-panel p-6 shadow-2xl"
        onSubmit={(e) => {
          e.preventDefault();
          enter.mutate();
        }}
      >
        <h1 className="text-lg font-semibold">Sign in to Cadre</h1>
        <Field label="API key" hint="cadre up printed the first one; cadre whoami shows which one you use" error={enter.error?.message}>
          {(id, hint) => <Input id={id} aria-describedby={hint} type="password" autoComplete="current-password" autoFocus value={key} onChange={(e) => setKey(e.target.value)} />}
        </Field>
        <Button type="submit" look="primary" className="w-full" busy={enter.isPending} disabled={!key.trim()}>
          Sign in
        </Button>
      </form>
    </div>
  );
}
