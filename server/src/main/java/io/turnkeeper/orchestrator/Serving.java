package io.turnkeeper.orchestrator;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.agents.AgentDefinition;
import io.turnkeeper.queue.Run;

/**
 * What an attempt is served by: the version that its start was written with.
 *
 * @param removedName the agent's name when it had been removed by then; "" when not
 */
record Serving(int version, AgentDefinition definition, String removedName) {

  /** Read from memory where the version was seen before: a version never changes. */
  static Serving of(Tools tools, Run run) {
    Integer version = run.agentVersion();
    if (version != null) {
      var known = tools.agents().definition(run.organization(), run.agent(), version);
      if (known.isPresent()) {
        return new Serving(version, known.get(), "");
      }
    }
    Agent agent =
        tools
            .agents()
            .current(run.organization(), run.agent())
            .orElseThrow(() -> new IllegalStateException("a run of an agent that never was"));
    return new Serving(agent.version(), agent.definition(), agent.removed() ? agent.name() : "");
  }
}
