// A job is cancelled, or a cancelled one started again; what becomes of it is told below.
const ENDED = ["done", "failed", "cancelled"];
const pause = () => new Promise((resolve) => { setTimeout(resolve, 500); });

async function answerOf(response) {
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error?.message ?? `The backend answered ${response.status}.`);
  return answer;
}

// What a call answers; a refusal is an error with the backend's own words.
export const call = async (path, body) => answerOf(await fetch(path, body === undefined ? { method: "POST" } : {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
}));
export const look = async (path) => answerOf(await fetch(path));

// Resolves with the job once it has ended well, else throws what it says; meanwhile tells how far it is.
export async function ended(job, told = () => {}) {
  for (;;) {
    const found = await look(`/job_status?job=${job}`);
    if (found.job_status === "done") return found;
    if (ENDED.includes(found.job_status)) throw new Error(found.message);
    told(found);
    await pause();
  }
}

// Resolves once the job has ended, or has begun anew.
export async function change(project, { job, do: wanted }, say) {
  let found = await call(`/projects/${project}/jobs/${job}/${wanted}`);
  if (wanted === "again") { say("It is queued again."); return; }
  say(`${found.kind} stops at its next report.`);
  while (!ENDED.includes(found.job_status)) {
    await pause();
    try {
      found = await look(`/job_status?job=${job}`);
    } catch { // a poll that found nothing new leaves no job behind
      say(`${found.kind} has ended.`);
      return;
    }
  }
  say(`${found.kind}: ${found.message}`);
}
