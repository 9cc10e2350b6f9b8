// Iceberg's package, for the parts of its test server that nobody else may call.
package org.apache.iceberg.rest;

import jakarta.servlet.DispatcherType;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpFilter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Base64;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.CatalogUtil;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.eclipse.jetty.compression.gzip.GzipCompression;
import org.eclipse.jetty.compression.server.CompressionHandler;
import org.eclipse.jetty.ee10.servlet.FilterHolder;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/**
 * Apache Iceberg's REST catalog for tests, as its RESTCatalogServer serves it, over a JdbcCatalog in SQLite. Differs from that program in
 * three things: it listens on loopback alone, it notes every request in DIR/requests.log, and where it has a client's secret it asks for it.
 *
 * <p>CatalogServer DIR PORT [KEY=VALUE...]: prints "READY PORT" when it listens (PORT 0: any free one). Warehouse and database are
 * below DIR and survive a restart. Keys are the catalog's properties (warehouse=s3://..., s3.endpoint=..., include-credentials=true), and:
 * oauth.client (the id; its secret is in the environment as OAUTH_SECRET), oauth.seconds (how long a token is good for, 3600),
 * oauth.expired-status (419). A fixed token may be in the environment as OAUTH_TOKEN.
 */
public final class CatalogServer {
  private CatalogServer() {}

  public static void main(String[] arguments) throws Exception {
    Path folder = Path.of(arguments[0]).toAbsolutePath();
    Map<String, String> properties = new HashMap<>();
    properties.put("catalog-impl", JdbcCatalog.class.getName());
    properties.put("uri", "jdbc:sqlite:file:" + folder.resolve("catalog.db"));
    properties.put("jdbc.schema-version", "V1");
    properties.put("warehouse", "file://" + folder.resolve("warehouse"));
    for (int i = 2; i < arguments.length; i++) {
      String[] pair = arguments[i].split("=", 2);
      properties.put(pair[0], pair[1]);
    }
    Files.createDirectories(folder.resolve("warehouse"));
    OAuth oauth = new OAuth(properties);
    Catalog catalog = CatalogUtil.buildIcebergCatalog("rest_backend", properties, new Configuration());

    ServletContextHandler context = new ServletContextHandler(ServletContextHandler.NO_SESSIONS);
    context.addFilter(new FilterHolder(new RequestLog(folder.resolve("requests.log"))), "/*", EnumSet.of(DispatcherType.REQUEST));
    context.addFilter(new FilterHolder(oauth), "/*", EnumSet.of(DispatcherType.REQUEST));
    RESTCatalogAdapter adapter = new RESTServerCatalogAdapter(new RESTCatalogServer.CatalogContext(catalog, properties));
    context.addServlet(new ServletHolder(new RESTCatalogServlet(adapter)), "/*");
    CompressionHandler compression = new CompressionHandler();
    compression.putCompression(new GzipCompression());
    context.insertHandler(compression);
    Server server = new Server(new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(arguments[1])));
    server.setHandler(context);
    server.start();
    System.out.println("READY " + ((ServerConnector) server.getConnectors()[0]).getLocalPort());
    server.join();
  }

  /** One line for each request that was answered: method, target, status. */
  private static final class RequestLog extends HttpFilter {
    private final transient Path file;

    RequestLog(Path file) {
      this.file = file;
    }

    @Override
    protected void doFilter(HttpServletRequest request, HttpServletResponse response, FilterChain chain) throws IOException, ServletException {
      chain.doFilter(request, response);
      String query = request.getQueryString() == null ? "" : "?" + request.getQueryString();
      String line = request.getMethod() + " " + request.getRequestURI() + query + " " + response.getStatus() + "\n";
      synchronized (this) {
        Files.writeString(file, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
      }
    }
  }

  /** Hands out tokens for the client's secret, and lets nobody else by. */
  private static final class OAuth extends HttpFilter {
    private final String client;
    private final String secret = System.getenv("OAUTH_SECRET");
    private final long seconds;
    private final int expiredStatus;
    private final transient Map<String, Long> tokens = new ConcurrentHashMap<>(); // until when, in milliseconds

    OAuth(Map<String, String> properties) {
      client = properties.get("oauth.client");
      seconds = Long.parseLong(properties.getOrDefault("oauth.seconds", "3600"));
      expiredStatus = Integer.parseInt(properties.getOrDefault("oauth.expired-status", "419"));
      String fixed = System.getenv("OAUTH_TOKEN");
      if (fixed != null) {
        tokens.put(fixed, Long.MAX_VALUE);
      }
    }

    @Override
    protected void doFilter(HttpServletRequest request, HttpServletResponse response, FilterChain chain) throws IOException, ServletException {
      if (secret == null && tokens.isEmpty()) {
        chain.doFilter(request, response);
        return;
      }
      if (request.getRequestURI().equals("/v1/oauth/tokens")) {
        token(request, response);
        return;
      }
      String header = request.getHeader("Authorization");
      Long until = header != null && header.startsWith("Bearer ") ? tokens.get(header.substring(7)) : null;
      if (until == null) {
        refuse(response, 401, "Not authorized", "NotAuthorizedException");
      } else if (until < System.currentTimeMillis()) {
        refuse(response, expiredStatus, "Credentials have timed out", "AuthenticationTimeoutException");
      } else {
        chain.doFilter(request, response);
      }
    }

    private void token(HttpServletRequest request, HttpServletResponse response) throws IOException {
      Map<String, String> form = form(request);
      String grant = form.getOrDefault("grant_type", "");
      if (grant.equals("client_credentials")) {
        String[] given = credentials(request, form);
        if (secret == null || !given[0].equals(client) || !given[1].equals(secret)) {
          refuseToken(response, 401, "invalid_client", "wrong client id or secret");
          return;
        }
      } else if (grant.equals("urn:ietf:params:oauth:grant-type:token-exchange")) {
        Long until = tokens.get(form.getOrDefault("subject_token", ""));
        if (until == null || until < System.currentTimeMillis()) {
          refuseToken(response, 401, "invalid_grant", "the subject token is not good");
          return;
        }
      } else {
        refuseToken(response, 400, "unsupported_grant_type", grant);
        return;
      }
      String token = UUID.randomUUID().toString();
      tokens.put(token, System.currentTimeMillis() + seconds * 1000);
      answer(response, 200, "{\"access_token\":\"" + token + "\",\"token_type\":\"bearer\",\"expires_in\":" + seconds
          + ",\"issued_token_type\":\"urn:ietf:params:oauth:token-type:access_token\"}");
    }

    private static Map<String, String> form(HttpServletRequest request) throws IOException {
      Map<String, String> form = new HashMap<>();
      String body = new String(request.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      for (String field : body.split("&")) {
        String[] pair = field.split("=", 2);
        if (pair.length == 2) {
          form.put(URLDecoder.decode(pair[0], StandardCharsets.UTF_8), URLDecoder.decode(pair[1], StandardCharsets.UTF_8));
        }
      }
      return form;
    }

    /** Id and secret, from the form or from a Basic header. */
    private static String[] credentials(HttpServletRequest request, Map<String, String> form) {
      String header = request.getHeader("Authorization");
      if (header != null && header.startsWith("Basic ")) {
        String[] pair = new String(Base64.getDecoder().decode(header.substring(6)), StandardCharsets.UTF_8).split(":", 2);
        return pair.length == 2 ? pair : new String[] {pair[0], ""};
      }
      return new String[] {form.getOrDefault("client_id", ""), form.getOrDefault("client_secret", "")};
    }

    private static void refuse(HttpServletResponse response, int status, String message, String type) throws IOException {
      answer(response, status, "{\"error\":{\"message\":\"" + message + "\",\"type\":\"" + type + "\",\"code\":" + status + "}}");
    }

    private static void refuseToken(HttpServletResponse response, int status, String error, String description) throws IOException {
      answer(response, status, "{\"error\":\"" + error + "\",\"error_description\":\"" + description + "\"}");
    }

    private static void answer(HttpServletResponse response, int status, String body) throws IOException {
      response.setStatus(status);
      response.setContentType("application/json");
      response.getWriter().print(body);
    }
  }
}
