# A machine as a job of Nomad, by its driver raw_exec, which has to be enabled on the clients; as Nomad's documentation has it, and not run.
# Nomad starts it elsewhere when it takes a client for lost, which may still run it: the permit is what keeps the two apart.
job "db" {
  datacenters = ["dc1"]
  type        = "service"

  group "db" {
    count = 1

    # The recipe says what is started again on the same host. Nomad only moves it.
    restart {
      attempts = 0
      mode     = "fail"
    }

    task "vmrun" {
      driver = "raw_exec"

      config {
        command = "/usr/local/bin/vmrun"
        args = [
          "run", "/srv/vm/db.rhai",
          "--permit", "consul lock -child-exit-code vm/db 'echo held; exec sleep 2147483647'",
          "--permit-ttl", "15s",
        ]
      }

      # vmrun has the guest powered off; what is left after this time is killed, and `vmrun gc` gives back what it had.
      kill_signal  = "SIGTERM"
      kill_timeout = "90s"
    }
  }
}
