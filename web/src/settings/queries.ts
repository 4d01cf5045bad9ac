import { api, must } from "@/api/client";

export const signIns = { queryKey: ["sign-ins"], queryFn: () => must(api.GET("/me/sign-ins")) };
