import { Link } from "@tanstack/react-router";
import { Boxes, CalendarClock, type LucideIcon, Plus, Terminal } from "lucide-react";
import { useMay } from "@/shell/me";
import { Page } from "@/shell/page";
import { Button } from "@/ui/button";
import { useCompose } from "@/compose/open";

/** Welcome is the home of who has no run yet: three ways to the first. */
export function Welcome() {
  const may = useMay();
  const compose = useCompose();
  return (
    <Page title="Home">
      <section className="mx-auto mt-[6vh] max-w-2xl text-center">
        <h2 className="text-2xl font-semibold tracking-tight">Give an agent something to do</h2>
        <p className="mx-auto mt-2 max-w-lg text-dim">A run is one task in a sandbox of its own. You watch it, talk to it, decide what it asks, and keep the record.</p>
        {may.create && (
          <Button look="primary" className="mt-5" onClick={() => compose()}>
            <Plus className="size-4" /> New run
          </Button>
        )}
        <ul className="mt-10 grid gap-3 text-left sm:grid-cols-3">
          <Way to="/environments" icon={Boxes} title="Say where agents work" text="Repositories to clone and commands to run first, as an environment." />
          <Way to="/schedules" icon={CalendarClock} title="Let the clock start it" text="Every night, or every Monday at nine in Berlin." />
          <Way to="/people" icon={Terminal} title="Start it from a program" text="With a key: by cadre, an SDK, or one POST." />
        </ul>
      </section>
    </Page>
  );
}

function Way({ to, icon: Icon, title, text }: { to: "/environments" | "/schedules" | "/people"; icon: LucideIcon; title: string; text: string }) {
  return (
    <li>
      <Link to={to} className="block h-full rounded-xl border bg-panel p-4 transition-colors hover:border-strong">
        <Icon className="size-5 text-accent-text" />
        <span className="mt-2 block font-medium">{title}</span>
        <span className="mt-0.5 block text-[13px] text-dim">{text}</span>
      </Link>
    </li>
  );
}
