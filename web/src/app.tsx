import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { Tooltip } from "radix-ui";
import { useEffect, useState } from "react";
import { Failure, watchSignedOut } from "./api/client";
import { router } from "./router";
import { SignIn } from "./shell/sign-in";
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

/** App is the console. When the session ends it is covered by the sign-in form, not replaced: what was
 * being typed is still there afterwards. */
export function App() {
  const [signedOut, setSignedOut] = useState(false);
  useEffect(() => watchSignedOut(() => setSignedOut(true)), []);
  return (
    <QueryClientProvider client={queries}>
      <Tooltip.Provider delayDuration={350} skipDelayDuration={200}>
        <RouterProvider router={router} context={{ queries }} />
        {signedOut && (
          <SignIn
            done={() => {
              setSignedOut(false);
              void queries.invalidateQueries();
            }}
          />
        )}
        <Toasts />
      </Tooltip.Provider>
    </QueryClientProvider>
  );
}
