import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { ArrowLeft, ChevronRight, ChevronsDownUp, ChevronsUpDown, PanelRight, Search } from "lucide-react";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import type { Run } from "@/api/client";
import { RunMenu } from "@/runs/menu";
import { cost, runTime } from "@/runs/row";
import { SourceIcon } from "@/runs/source";
import { StateBadge } from "@/runs/state";
import { typing } from "@/shell/shortcuts";
import { IconButton } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Bars, Failed } from "@/ui/empty";
import { Ticking } from "@/ui/time";
import { kinName } from "./family";
import { find, shows } from "./find";
import { type Fold, Folding } from "./fold";
import { Pills } from "./pills";
import { Finder } from "./search";
import { runQuery, type Session, useRun, useSession } from "./session";
import { Steer } from "./steer";
import { TranscriptView } from "./view";

/** The conversation comes first, what is beside it after. */
const Details = lazy(() => import("./details").then(({ Details }) => ({ default: Details })));

/** RunPage is one run as it happens: its conversation, and what is to be known about it. */
export function RunPage() {
  const { runId } = useParams({ from: "/runs/$runId" });
  const { seq } = useSearch({ from: "/runs/$runId" });
  const run = useRun(runId);
  if (run.isPending) return <Bars />;
  if (run.isError) return <Failed what="The run" why={run.error} again={() => void run.refetch()} />;
  return <Opened key={runId} run={run.data} around={seq} />;
}

function Opened({ run, around }: { run: Run; around?: number }) {
  const session = useSession(run, around);
  const [details, setDetails] = useState(false);
  const [fold, setFold] = useState<Fold>({ count: 0 });
  const finder = useFinder(session);
  const navigate = useNavigate();
  const transcript = session?.transcript;
  const pane = (
    <Suspense>
      <Details run={run} plan={transcript?.plan ?? []} context={transcript?.context ?? 0} />
    </Suspense>
  );
  return (
    <div className="flex min-h-0 flex-1">
      <div className="flex min-w-0 flex-1 flex-col">
        <Head run={run}>
          <IconButton label="Search this session" keys="/" onClick={finder.open} className="max-sm:hidden">
            <Search />
          </IconButton>
          <IconButton label={fold.open ? "Fold everything" : "Unfold everything"} className="max-sm:hidden" onClick={() => setFold((f) => ({ open: !f.open, count: f.count + 1 }))}>
            {fold.open ? <ChevronsDownUp /> : <ChevronsUpDown />}
          </IconButton>
          <IconButton label="Details" className="xl:hidden" onClick={() => setDetails(true)}>
            <PanelRight />
          </IconButton>
          <RunMenu run={run} gone={() => void navigate({ to: "/runs" })} />
        </Head>
        <Pills run={run} />
        {finder.shown}
        <Folding value={fold}>{session ? <TranscriptView run={run} session={session} around={around} sought={finder.sought} /> : <Bars lines={4} />}</Folding>
        <Steer run={run} />
      </div>
      <aside aria-label="Details" className="hidden w-80 shrink-0 overflow-y-auto border-l bg-panel xl:block 2xl:w-96">
        {pane}
      </aside>
      <Dialog side open={details} onClose={() => setDetails(false)} title="Details">
        <div className="-mx-5 -my-4">{pane}</div>
      </Dialog>
    </div>
  );
}

/** useFinder is the search in a session: what it found, and which of it is looked at. */
function useFinder(session: Session | undefined) {
  const [open, setOpen] = useState(false);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const version = session?.seen();
  const all = session?.transcript.items;
  // The transcript changes in place; its version says when.
  const items = useMemo(() => (open && version !== undefined && all ? all.filter(shows) : []), [open, all, version]);
  const found = useMemo(() => find(items, text), [items, text]);
  const current = Math.max(0, Math.min(at, found.length - 1));
  useEffect(() => {
    if (!open || !session) return;
    const stop = new AbortController();
    session.whole(stop.signal).catch(() => {
      // What is on the page is searched; scrolling up tries to load the rest again.
    });
    return () => stop.abort();
  }, [open, session]);
  useEffect(() => {
    const heard = (e: KeyboardEvent) => {
      if (e.key !== "/" || e.metaKey || e.ctrlKey || e.altKey || typing(e.target)) return;
      e.preventDefault();
      setOpen(true);
    };
    window.addEventListener("keydown", heard);
    return () => window.removeEventListener("keydown", heard);
  }, []);
  return {
    open: () => setOpen(true),
    sought: open && found.length > 0 ? items[found[current] ?? 0]?.id : undefined,
    shown: open && (
      <Finder
        text={text}
        change={(next) => {
          setText(next);
          setAt(0);
        }}
        found={found.length}
        at={current}
        go={(step) => setAt((current + step + found.length) % Math.max(1, found.length))}
        loading={session?.loadingEarlier ?? false}
        close={() => setOpen(false)}
      />
    ),
  };
}

function Head({ run, children }: { run: Run; children: React.ReactNode }) {
  return (
    <header className="flex shrink-0 items-center gap-1 border-b py-2.5 pr-2 pl-3 sm:pr-4 sm:pl-5">
      <Link to="/runs" aria-label="All runs" className="mr-1.5 rounded-lg p-1.5 text-dim hover:bg-hover hover:text-text">
        <ArrowLeft className="size-4" />
      </Link>
      <div className="min-w-0 flex-1">{run.parent_run_id ? <Crumbs run={run} parent={run.parent_run_id} /> : <h1 className="truncate text-[15px] font-semibold">{run.title}</h1>}</div>
      <span className="mx-2 hidden items-center gap-2.5 text-[13px] text-dim tabular-nums sm:flex">
        <SourceIcon source={run.source} />
        {run.state === "INPROGRESS" && run.started_at ? <Ticking from={run.started_at} /> : <span>{runTime(run)}</span>}
        <span>{cost(run)}</span>
      </span>
      <StateBadge state={run.state} />
      {children}
    </header>
  );
}

/** Crumbs lead back to the run that started this one. */
function Crumbs({ run, parent }: { run: Run; parent: string }) {
  const above = useQuery(runQuery(parent)).data;
  return (
    <nav aria-label="Breadcrumb">
      <ol className="flex min-w-0 items-center gap-1">
        <li className="min-w-0 max-w-[220px] shrink">
          <Link to="/runs/$runId" params={{ runId: parent }} className="block truncate rounded text-dim hover:text-text hover:underline">
            {above ? kinName(above) : "Parent"}
          </Link>
        </li>
        <li className="flex min-w-0 flex-1 items-center gap-1" aria-current="page">
          <ChevronRight aria-hidden className="size-3.5 shrink-0 text-faint" />
          <h1 className="truncate text-[15px] font-semibold">{run.title}</h1>
        </li>
      </ol>
    </nav>
  );
}
