import type { QueryClient } from "@tanstack/react-query";
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { base } from "./api/client";
import { readFilter } from "./runs/filter";
import { Missing } from "./shell/missing";
import { Shell } from "./shell/shell";
import { readUsage } from "./usage/search";

const root = createRootRouteWithContext<{ queries: QueryClient }>()({ component: Shell, notFoundComponent: Missing });

/** Every page is a chunk of its own, so that the first one to open is small. */
const routes = [
  createRoute({ getParentRoute: () => root, path: "/", component: lazyRouteComponent(() => import("./home/page"), "HomePage") }),
  createRoute({
    getParentRoute: () => root,
    path: "/runs",
    validateSearch: readFilter,
    component: lazyRouteComponent(() => import("./runs/page"), "RunsPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/runs/$runId",
    validateSearch: (search: Record<string, unknown>): { seq?: number } => (Number.isInteger(search.seq) ? { seq: Number(search.seq) } : {}),
    component: lazyRouteComponent(() => import("./run/page"), "RunPage"),
  }),
  createRoute({ getParentRoute: () => root, path: "/inbox", component: lazyRouteComponent(() => import("./inbox/page"), "InboxPage") }),
  createRoute({ getParentRoute: () => root, path: "/environments", component: lazyRouteComponent(() => import("./environments/page"), "EnvironmentsPage") }),
  createRoute({ getParentRoute: () => root, path: "/schedules", component: lazyRouteComponent(() => import("./schedules/page"), "SchedulesPage") }),
  createRoute({ getParentRoute: () => root, path: "/people", component: lazyRouteComponent(() => import("./people/page"), "PeoplePage") }),
  createRoute({
    getParentRoute: () => root,
    path: "/usage",
    validateSearch: readUsage,
    component: lazyRouteComponent(() => import("./usage/page"), "UsagePage"),
  }),
  createRoute({ getParentRoute: () => root, path: "/agents", component: lazyRouteComponent(() => import("./agents/page"), "AgentsPage") }),
  createRoute({ getParentRoute: () => root, path: "/skills", component: lazyRouteComponent(() => import("./skills/page"), "SkillsPage") }),
  createRoute({ getParentRoute: () => root, path: "/secrets", component: lazyRouteComponent(() => import("./secrets/page"), "SecretsPage") }),
  createRoute({ getParentRoute: () => root, path: "/settings", component: lazyRouteComponent(() => import("./settings/page"), "SettingsPage") }),
  createRoute({ getParentRoute: () => root, path: "/workers", component: lazyRouteComponent(() => import("./workers/page"), "WorkersPage") }),
];

export const router = createRouter({
  routeTree: root.addChildren(routes),
  basepath: new URL(base).pathname,
  context: { queries: undefined as unknown as QueryClient },
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
