// A search by a photo from the disk, and the result as a tab of Label Studio's Data Manager.
import { call } from "./jobs.js";

const $ = (id) => document.getElementById(id);

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.slice(reader.result.indexOf(",") + 1)));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}

$("photo").addEventListener("change", async ({ target }) => {
  if (!target.files.length) return;
  $("status").textContent = "Looking …";
  try {
    const found = await call(`/projects/${target.dataset.project}/search/photo`, { image: await base64(target.files[0]), limit: 60 });
    location.assign(`${target.dataset.page}?tasks=${found.photos.map((photo) => photo.task).join(",")}`);
  } catch (error) { $("status").textContent = error.message; }
});

$("tab")?.addEventListener("click", async ({ currentTarget: button }) => {
  button.disabled = true;
  try {
    const tasks = button.dataset.tasks.split(",").map(Number);
    const tab = await call(`/projects/${button.dataset.project}/tab`, { tasks, title: button.dataset.title });
    location.assign(tab.url);
  } catch (error) { $("status").textContent = error.message; button.disabled = false; }
});
