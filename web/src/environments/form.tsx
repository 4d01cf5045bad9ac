import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Environment, Failure, must, type Schema } from "@/api/client";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, Input, TextArea } from "@/ui/field";
import { environments, repositories } from "./queries";

/** EnvironmentForm makes or changes an environment. Members it does not show are kept as they are. */
export function EnvironmentForm({ environment, close }: { environment?: Environment; close: () => void }) {
  const queries = useQueryClient();
  const before = environment?.config ?? {};
  const [name, setName] = useState(before.name ?? "");
  const [description, setDescription] = useState(before.description ?? "");
  const [image, setImage] = useState(before.docker_image ?? "");
  const [repos, setRepos] = useState(environment ? repositories(environment).join("\n") : "");
  const [commands, setCommands] = useState((before.setup_commands ?? []).join("\n"));
  const save = useMutation({
    mutationFn: async () => {
      const config: Schema<"CloudEnvironmentConfig"> = {
        ...before,
        name,
        description: description || null,
        docker_image: image,
        setup_commands: lines(commands),
        ...(environment && repos === repositories(environment).join("\n") ? {} : { source_repos: lines(repos).map(repository) }),
      };
      return environment
        ? must(api.PUT("/agent/environments/{environmentId}", { params: { path: { environmentId: environment.uid } }, body: { config } }))
        : must(api.POST("/agent/environments", { body: { config } }));
    },
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: environments.queryKey });
      close();
    },
  });
  const error = save.error instanceof Failure ? save.error.message : save.error ? String(save.error) : undefined;
  return (
    <Dialog
      open
      onClose={close}
      title={environment ? "Edit environment" : "New environment"}
      footer={
        <>
          <Button look="quiet" onClick={close}>
            Cancel
          </Button>
          <Button look="primary" busy={save.isPending} disabled={!name.trim()} onClick={() => save.mutate()}>
            {environment ? "Save" : "Create"}
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        <Field label="Name">{(id) => <Input id={id} autoFocus value={name} onChange={(e) => setName(e.target.value)} />}</Field>
        <Field label="Description">{(id) => <Input id={id} maxLength={240} value={description} onChange={(e) => setDescription(e.target.value)} />}</Field>
        <Field label="Repositories" hint="One per line: owner/name, or the URL of any git repository">
          {(id, hint) => <TextArea id={id} aria-describedby={hint} rows={3} className="font-mono text-[13px]" value={repos} onChange={(e) => setRepos(e.target.value)} />}
        </Field>
        <Field label="Set-up commands" hint="One per line, run in order before the agent begins; the first that fails ends the run">
          {(id, hint) => <TextArea id={id} aria-describedby={hint} rows={4} className="font-mono text-[13px]" value={commands} onChange={(e) => setCommands(e.target.value)} />}
        </Field>
        <Field label="Image" hint="For workers that run containers">
          {(id, hint) => <Input id={id} aria-describedby={hint} value={image} onChange={(e) => setImage(e.target.value)} />}
        </Field>
        {error && (
          <p role="alert" className="text-bad">
            {error}
          </p>
        )}
      </div>
    </Dialog>
  );
}

const lines = (text: string) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

/** repository reads "owner/name"; anything else is an address, which the API takes in `repo`. */
function repository(line: string): Schema<"SourceRepo"> {
  const short = /^([\w.-]+)\/([\w.-]+)$/.exec(line);
  return short ? { owner: short[1] ?? "", repo: short[2] ?? "" } : { owner: "", repo: line };
}
