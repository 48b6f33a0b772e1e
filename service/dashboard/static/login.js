// Signs in with the password of a link's fragment, which the browser keeps to itself.

const form = document.getElementById("login");

function signIn() {
  const password = decodeURIComponent(location.hash.slice(1));
  if (!form || !password) return;
  history.replaceState(null, "", location.pathname + location.search);
  form.elements.password.value = password;
  form.submit();
}

signIn();
addEventListener("hashchange", signIn); // the link was opened in a tab that shows this page
