import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { Tooltip } from "radix-ui";
import { useCallback, useEffect, useState } from "react";
import { Failure, watchSignedOut } from "./api/client";
import { router } from "./router";
import { whoami } from "./shell/me";
import { SignIn, signInPage } from "./shell/sign-in";
import { Confirm } from "./ui/confirm";
import { Toasts } from "./ui/toast";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (failed, why) => failed < 3 && why instanceof Failure && (why.status === 0 || why.status >= 500),
      refetchOnWindowFocus: true,
    },
  },
});

/** App is the console. Who comes without a session is sent to sign in; a session that ends covers the page
 * instead of leaving it: what was being typed is still there afterwards. */
export function App() {
  const [signedOut, setSignedOut] = useState(false);
  useEffect(
    () =>
      watchSignedOut(() => {
        if (queries.getQueryData(whoami.queryKey)) setSignedOut(true);
        else location.replace(signInPage());
      }),
    [],
  );
  const comeBack = useCallback(() => {
    setSignedOut(false);
    void queries.invalidateQueries();
  }, []);
  return (
    <QueryClientProvider client={queries}>
      <Tooltip.Provider delayDuration={350} skipDelayDuration={200}>
        <RouterProvider router={router} context={{ queries }} />
        {signedOut && (
          <SignIn done={comeBack} />
        )}
        <Confirm />
        <Toasts />
      </Tooltip.Provider>
    </QueryClientProvider>
  );
}
