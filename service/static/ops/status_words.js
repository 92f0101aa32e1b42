// Why a forecast is not the model's own from a current state, in one sentence.
export function statusSentence(forecast) {
  if (forecast.status === "warming") return `Too few values yet for the model: ${forecast.answered_by} answers until there are enough.`;
  if (forecast.status === "degraded") return `The forecast is degraded: ${forecast.answered_by} answers, because the model could not.`;
  return `The forecast is marked ${forecast.status}: ${forecast.flags.join(", ")}.`;
}
