import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Monitor } from "lucide-react";
import { api, type Schema } from "@/api/client";
import { Button } from "@/ui/button";
import { Bars, Failed } from "@/ui/empty";
import { exact } from "@/ui/format";
import { Since } from "@/ui/time";
import { toast } from "@/ui/toast";
import { signIns } from "./queries";
import { Section } from "./section";

/** SignIns is where else one is signed in. */
export function SignIns() {
  const list = useQuery(signIns);
  return (
    <Section title="Where you are signed in" hint="Keys of programs are not among them">
      {list.isPending ? (
        <Bars lines={2} />
      ) : list.isError ? (
        <Failed what="The sign-ins" why={list.error} again={() => void list.refetch()} />
      ) : list.data.sign_ins.length === 0 ? (
        <p className="text-dim">No browser is.</p>
      ) : (
        <ul className="-my-2">
          {list.data.sign_ins.map((s) => (
            <Line key={s.uid} of={s} />
          ))}
        </ul>
      )}
    </Section>
  );
}

function Line({ of: s }: { of: Schema<"SignIn"> }) {
  const queries = useQueryClient();
  const end = useMutation({
    mutationFn: () => api.DELETE("/me/sign-ins/{signInUid}", { params: { path: { signInUid: s.uid } } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: signIns.queryKey }),
    onError: (why) => toast.failed("The browser was not signed out", why),
  });
  return (
    <li className="flex items-center gap-3 border-b border-line/60 py-2.5 last:border-b-0">
      <Monitor className="size-4 shrink-0 text-faint" />
      <div className="min-w-0 flex-1">
        <p className="truncate" title={s.device}>
          {browser(s.device)} <span className="text-faint">{s.address}</span>
        </p>
        <p className="truncate text-[13px] text-dim">
          by {s.method}, until {exact(s.expires_at)}
        </p>
      </div>
      {s.current ? (
        <span className="text-[13px] text-ok">This one</span>
      ) : (
        <>
          <Since at={s.last_seen_at} className="text-[13px] text-faint" />
          <Button small busy={end.isPending} onClick={() => end.mutate()}>
            Sign out
          </Button>
        </>
      )}
    </li>
  );
}

/** browser shortens what a browser calls itself, as far as it is one of the usual. */
export function browser(device: string | undefined): string {
  const name = /(Edg|OPR|Firefox|Chrome|Safari)\//.exec((device ?? "").replace(/Chrome(?=.*(Edg|OPR)\/)/, ""))?.[1];
  const names: Record<string, string> = { Edg: "Edge", OPR: "Opera" };
  const system = /Windows|Android|iPhone|iPad|Mac OS|Linux/.exec(device ?? "")?.[0];
  return name ? `${names[name] ?? name}${system ? ` on ${system.replace("Mac OS", "macOS")}` : ""}` : device || "A browser";
}
