import { useQuery } from "@tanstack/react-query";
import { LogIn } from "lucide-react";
import { useEffect } from "react";
import { base } from "@/api/client";
import { Button } from "@/ui/button";
import { whoami } from "./me";

/** signInPage is where the server lets people in; it brings them back to the page they were on. */
export function signInPage(): string {
  const root = new URL(base).pathname.replace(/\/$/, "");
  return `${base}sign-in?next=${encodeURIComponent(root + location.pathname.slice(root.length) + location.search)}`;
}

/** SignIn covers the page once its session has ended. Signing in happens in another tab, so that nothing
 * typed here is lost; coming back is noticed. */
export function SignIn({ done }: { done: () => void }) {
  const again = useQuery({ ...whoami, queryKey: ["whoami", "again"], refetchOnWindowFocus: "always", refetchInterval: 5000, retry: false, staleTime: 0 });
  useEffect(() => {
    if (again.isSuccess) done();
  }, [again.isSuccess, done]);
  return (
    <div className="fixed inset-0 z-50 flex items-center justify-center bg-ground/90 p-4 backdrop-blur-sm" role="alertdialog" aria-modal aria-label="Signed out">
      <div className="w-full max-w-sm space-y-3 rounded-2xl border bg-panel p-6 text-center shadow-2xl">
        <h1 className="text-base font-semibold">You were signed out</h1>
        <p className="text-dim">Sign in in another tab. This page goes on where it is, with what you typed.</p>
        <Button look="primary" autoFocus onClick={() => window.open(signInPage(), "_blank", "noopener")}>
          <LogIn className="size-4" /> Sign in
        </Button>
      </div>
    </div>
  );
}
