package runner_test

func child() {}
